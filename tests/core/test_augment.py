import numpy as np
import pytest
import torch

from pipeline.core.augment import NUM_DRAWS, Augmentation, augment, draw, shrink
from pipeline.files.images import resize_image, resize_mask

VOID = 3


def pair(height=6, width=8):
    generator = torch.Generator().manual_seed(7)
    mask = torch.randint(0, 3, (1, height, width), generator=generator)
    image = mask[:, None].expand(1, 3, height, width).float() * 100  # the image shows the mask
    return image.contiguous(), mask


def random(**columns):
    names = ["flip", "zoom", "top", "left", "brightness", "contrast", "saturation"]
    names += ["vertical_flip", "turn", "rotation", "aspect", "gamma", "hue", "blur", "noise", "noise_key"]
    return torch.tensor([[columns.get(name, 0.5) for name in names]])


def test_nothing_on_changes_nothing():
    image, mask = pair()
    out = augment(image, mask, random(), Augmentation(0, (1, 1), 0), void=VOID)
    assert out[0] is image
    assert out[1] is mask


def test_a_flip_mirrors_image_and_mask():
    image, mask = pair()
    images, masks = augment(image, mask, random(flip=0.0), Augmentation(1, (1, 1), 0), void=VOID)
    torch.testing.assert_close(images, image.flip(3), atol=1e-3, rtol=0)
    assert torch.equal(masks, mask.flip(2))


def test_flips_happen_as_often_as_told():
    random_N7 = draw(0, list(range(400)))
    image, mask = pair()
    _, masks = augment(
        image.expand(400, -1, -1, -1), mask.expand(400, -1, -1), random_N7, Augmentation(0.25, (1, 1), 0), void=VOID
    )
    assert (masks == mask.flip(2)).all(dim=(1, 2)).float().mean().item() == pytest.approx(0.25, abs=0.07)


def test_zooming_in_twice_shows_a_quarter_each_pixel_twice():
    image, mask = pair()
    # left 0, top 0: the upper left quarter.
    _, masks = augment(image, mask, random(zoom=1.0, top=0.0, left=0.0), Augmentation(0, (1, 2), 0), void=VOID)
    assert torch.equal(masks[0], mask[0, :3, :4].repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_zooming_out_surrounds_the_pair_with_void():
    image, mask = torch.full((1, 3, 8, 8), 200.0), torch.zeros(1, 8, 8, dtype=torch.long)
    images, masks = augment(image, mask, random(zoom=0.0), Augmentation(0, (0.5, 1), 0), void=VOID)
    assert (masks[0, 2:6, 2:6] == 0).all()
    assert (masks == 0).sum() == 16
    assert (masks == VOID).sum() == 48
    assert images[0, :, 0, 0].tolist() == [0, 0, 0]


def test_image_and_mask_move_together():
    image, mask = torch.zeros(4, 3, 64, 64), torch.zeros(4, 64, 64, dtype=torch.long)
    image[:, :, 20:40, 10:30], mask[:, 20:40, 10:30] = 255, 1
    images, masks = augment(image, mask, draw(5, [0, 1, 2, 3]), Augmentation(0.5, (0.5, 2), 0), void=VOID)
    inside = images.mean(dim=1) > 128
    assert (inside == (masks == 1)).float().mean() > 0.98


def test_brightness_contrast_and_saturation_worked_by_hand():
    # One pixel (100, 50, 0), amount 0.5. Brightness 1.5 * ... = (150, 75, 0); one pixel's mean is 75: contrast 0.5
    # gives (112.5, 75, 37.5); grey is 75: saturation 1.5 gives (131.25, 75, 18.75).
    image = torch.tensor([100.0, 50.0, 0.0]).reshape(1, 3, 1, 1)
    numbers = random(brightness=1.0, contrast=0.0, saturation=1.0)
    images, _ = augment(image, torch.zeros(1, 1, 1), numbers, Augmentation(0, (1, 1), 0.5), void=VOID)
    assert images.flatten().tolist() == pytest.approx([131.25, 75, 18.75])


def test_shrinking_to_half_weighs_four_pixels_by_their_distance():
    # An output pixel's centre lies between two pixels; those at a distance of 1/2 weigh 3/8, those at 3/2 weigh 1/8.
    image = torch.zeros(1, 3, 8, 8)
    image[..., 3] = 8
    masks = torch.arange(8).repeat(1, 8, 1)
    images, masks = shrink(image, masks, (4, 4))
    assert images[0, 0, 2].tolist() == pytest.approx([0, 3, 1, 0])
    assert masks[0].tolist() == [[1, 3, 5, 7]] * 4


@pytest.mark.parametrize("size", [(36, 48), (45, 60), (23, 17), (72, 96)])
def test_pairs_are_shrunk_as_the_tile_stage_shrinks_them(size):
    generator = np.random.default_rng(3)
    pixels = generator.integers(0, 256, (2, 72, 96, 3), dtype=np.uint8)
    classes = generator.integers(0, 9, (2, 72, 96), dtype=np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    images, masks = shrink(images, torch.from_numpy(classes).long(), size)
    between = [(2 * np.arange(new) + 1) * old % (2 * new) == 0 for new, old in zip(size, (72, 96), strict=True)]
    for i in range(2):
        expected = resize_image(pixels[i], size).astype(float)  # Pillow, which rounds after each of two passes
        assert np.abs(images[i].permute(1, 2, 0).numpy() - expected).max() <= 1.01
        same = masks[i].numpy() == resize_mask(classes[i], size)
        assert same[~between[0]][:, ~between[1]].all()  # where a centre is between pixels, Pillow rounds either way
    assert masks.dtype == torch.int64


def test_random_numbers_depend_on_seed_and_position_alone():
    together = draw(9, [4, 5, 6])
    assert torch.equal(together[1:2], draw(9, [5]))
    assert not torch.equal(draw(9, [5]), draw(10, [5]))
    assert together.shape == (3, NUM_DRAWS)


def test_the_first_seven_numbers_are_those_of_earlier_versions():
    # numpy.random.default_rng([9, 5]).random(7, dtype=numpy.float32) of numpy 2.4, which is what they drew.
    expected = (0x1B96674, 0x17B239A, 0x00A0D66, 0x0F9D396, 0x08C9554, 0x03400E4, 0x0E2BBA0)
    assert (draw(9, [5])[0, :7] * 2**25).tolist() == list(expected)


def augmented(image, mask, random_ND, **settings):
    off = {"flip": 0.0, "zoom": (1, 1), "colour_jitter": 0.0}
    return augment(image, mask, random_ND, Augmentation(**{**off, **settings}), void=VOID)


@pytest.mark.parametrize(("turn", "quarters"), [(0.0, 0), (0.25, 1), (0.5, 2), (0.99, 3)])
def test_turns_are_by_right_angles(turn, quarters):
    image, mask = pair(6, 6)
    images, masks = augmented(image, mask, random(turn=turn), turns=True)
    assert torch.equal(masks[0], mask[0].rot90(quarters))
    torch.testing.assert_close(images, image.rot90(quarters, (2, 3)), atol=1e-3, rtol=0)


def test_a_vertical_flip_mirrors_up_and_down():
    image, mask = pair()
    _, masks = augmented(image, mask, random(vertical_flip=0.2), vertical_flip=0.3)
    assert torch.equal(masks, mask.flip(1))
    _, masks = augmented(image, mask, random(vertical_flip=0.4), vertical_flip=0.3)
    assert torch.equal(masks, mask)


def test_a_rotation_keeps_distances_in_pixels():
    # By 90 degrees, so that the middle 6 x 6 of 6 x 8 pixels are turned exactly, and the rest lies beyond the edges.
    image, mask = pair()
    images, masks = augmented(image, mask, random(rotation=1.0), rotation=90.0)
    assert torch.equal(masks[0, :, 1:7], mask[0, :, 1:7].rot90())
    assert (masks[0, :, [0, 7]] == VOID).all()
    assert images[0, :, :, 0].abs().max() < 1e-3


def test_aspect_stretches_one_side_and_shrinks_the_other():
    # A ratio of 4: the width is doubled and the height halved.
    image, mask = pair(8, 8)
    _, masks = augmented(image, mask, random(aspect=1.0), aspect=4.0)
    assert (masks[0, [0, 1, 6, 7]] == VOID).all()
    assert torch.equal(masks[0, 2:6, ::2], masks[0, 2:6, 1::2])
    assert masks[0, 2:6].max() < VOID


@pytest.mark.parametrize(("top", "left", "place"), [(0.0, 0.0, (0, 0)), (0.999, 0.0, (2, 0)), (0.5, 0.999, (1, 4))])
def test_a_crop_is_a_part_of_the_pair_pixel_by_pixel(top, left, place):
    image, mask = pair()
    images, masks = augmented(image, mask, random(top=top, left=left), crop=(4, 4))
    rows, columns = slice(place[0], place[0] + 4), slice(place[1], place[1] + 4)
    assert torch.equal(masks[0], mask[0, rows, columns])
    torch.testing.assert_close(images[0], image[0, :, rows, columns], atol=1e-3, rtol=0)


def test_a_crop_of_a_zoomed_pair_shows_that_much_less():
    image, mask = pair()
    _, masks = augmented(image, mask, random(zoom=1.0, top=0.0, left=0.0), zoom=(1, 2), crop=(4, 6))
    assert torch.equal(masks[0], mask[0, :2, :3].repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_beyond_the_edges_lies_the_mirror_image_if_told():
    # At a third, the output's rows 0 to 7 show the pair's rows -7, -4, -1, 2, 5, 8, 11 and 14.
    image, mask = pair(8, 8)
    images, masks = augmented(image, mask, random(zoom=0.0), zoom=(1 / 3, 1), border="mirror")
    shown = [6, 3, 0, 2, 5, 7, 4, 1]
    assert torch.equal(masks[0], mask[0][shown][:, shown])
    torch.testing.assert_close(images, image[:, :, shown][..., shown], atol=1e-3, rtol=0)


def test_gamma_worked_by_hand():
    # Exponents 2 and 1/2 of 0.2 and 0.6 of the range.
    image = torch.tensor([51.0, 153.0, 255.0]).reshape(1, 3, 1, 1)
    for number, exponent in ((1.0, 2.0), (0.0, 0.5)):
        images, _ = augmented(image, torch.zeros(1, 1, 1), random(gamma=number), gamma=2.0)
        assert images.flatten().tolist() == pytest.approx([255 * 0.2**exponent, 255 * 0.6**exponent, 255])


def test_a_third_of_the_circle_turns_red_into_green_and_leaves_grey():
    image = torch.tensor([[200.0, 90.0], [10.0, 90.0], [30.0, 90.0]]).reshape(1, 3, 1, 2)
    images, _ = augmented(image, torch.zeros(1, 1, 2), random(hue=1.0), hue=120.0)
    assert images[0, :, 0, 0].tolist() == pytest.approx([30, 200, 10], abs=1e-3)
    assert images[0, :, 0, 1].tolist() == pytest.approx([90, 90, 90], abs=1e-3)
