import numpy as np
import pytest
import scipy.ndimage
import torch

from pipeline.core.augment import Augmentation, augment, draw
from pipeline.core.camera import add_noise, blur

OFF = {"flip": 0, "zoom": (1, 1), "colour_jitter": 0}


def images(count=2, height=12, width=15, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    return 255 * torch.rand(count, 3, height, width, generator=generator, dtype=dtype)


def test_each_image_is_blurred_by_its_own_gaussian_as_scipy_does():
    pair = images()
    blurred = blur(pair, torch.tensor([0.5, 2.0], dtype=torch.float64), 2.0)
    for image, result, sigma in zip(pair.numpy(), blurred.numpy(), (0.5, 2.0), strict=True):
        for before, after in zip(image, result, strict=True):
            expected = scipy.ndimage.gaussian_filter(before, sigma, mode="nearest", radius=6)
            np.testing.assert_allclose(after, expected, rtol=1e-9)


def test_without_a_blur_an_image_stays_as_it_is():
    pair = images()
    blurred = blur(pair, torch.tensor([0.0, 1.0], dtype=torch.float64), 1.0)
    torch.testing.assert_close(blurred[0], pair[0], rtol=1e-12, atol=0)
    assert not torch.allclose(blurred[1], pair[1], atol=1)


def test_noise_is_normal_and_of_its_strength():
    grey = torch.full((2, 3, 100, 101), 127.5)
    noise = (add_noise(grey, torch.tensor([4.0, 8.0]), torch.tensor([0.25, 0.75])) - grey).numpy().reshape(2, -1)
    for values, sigma in zip(noise, (4.0, 8.0), strict=True):
        # 30,300 values: the mean's standard error is sigma / 174, the standard deviation's sigma / 246.
        assert abs(values.mean()) < 4 * sigma / 174
        assert values.std() == pytest.approx(sigma, abs=4 * sigma / 246)
        assert scipy.stats.kstest(values / sigma, "norm").pvalue > 0.001
    # Neighbours, the two halves that come from the same words, and two images have nothing in common.
    half = len(noise[0]) // 2
    for one, other in ((noise[0, :-1], noise[0, 1:]), (noise[0, :half], noise[0, half:]), noise):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(one))


def test_noise_depends_on_its_number_alone_and_stays_within_the_range():
    pair = images(2, dtype=torch.float32)
    sigma, numbers = torch.tensor([30.0, 30.0]), torch.tensor([0.1, 0.9])
    both = add_noise(pair, sigma, numbers)
    assert torch.equal(both[1:], add_noise(pair[1:], sigma[1:], numbers[1:]))
    assert not torch.equal(both[1:], add_noise(pair[1:], sigma[1:], numbers[:1]))
    assert (both.min(), both.max()) == (0, 255)


def test_noise_has_these_bits_on_every_machine():
    # Computed apart from torch: splitmix64 of Python's integers, then Box and Muller's formula.
    def mixed(word):
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
        return word ^ word >> 31

    key = mixed(int(0.3125 * 2**24))
    words = [mixed((key + 0x9E3779B97F4A7C15 * place) % 2**64) for place in (1, 2)]
    radii = [np.sqrt(-2 * np.log(((word >> 40) + 1) / 2**24)) for word in words]
    angles = [2 * np.pi * (word % 2**24) / 2**24 for word in words]
    normal = [*(radii * np.cos(angles)), *(radii * np.sin(angles))][:3]
    grey = torch.full((1, 3, 1, 1), 128.0, dtype=torch.float64)
    noise = add_noise(grey, torch.tensor([2.0], dtype=torch.float64), torch.tensor([0.3125], dtype=torch.float64))
    assert noise.flatten().tolist() == pytest.approx([128 + 2 * value for value in normal], rel=1e-12)


@pytest.mark.parametrize("setting", ["blur", "noise"])
def test_a_share_of_the_batch_is_changed_as_in_the_whole_and_masks_are_not(setting):
    pair, masks = images(4, dtype=torch.float32), torch.zeros(4, 12, 15, dtype=torch.long)
    settings, numbers = Augmentation(**OFF, **{setting: 3.0}), draw(5, [0, 1, 2, 3])
    whole, masks_out = augment(pair, masks, numbers, settings, void=3)
    assert torch.equal(masks_out, masks)
    strengths = (whole - pair).flatten(1).std(dim=1)
    assert len({round(strength, 2) for strength in strengths.tolist()}) == 4  # of another strength each
    part, _ = augment(pair[2:], masks[2:], numbers[2:], settings, void=3)
    torch.testing.assert_close(part, whole[2:], rtol=0, atol=1e-4)


def test_what_is_drawn_for_other_transforms_stays_as_it_was_before_blur_and_noise():
    numbers = np.random.default_rng([5, 9]).random(13, dtype=np.float32)
    assert draw(5, [9])[0, :13].tolist() == numbers.tolist()
