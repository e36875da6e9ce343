import io

import numpy as np
import pytest
from PIL import Image

from pipeline.core.classes import ClassTable
from pipeline.data.scenes import draw
from pipeline.evaluation import report
from pipeline.evaluation.report import gallery as gallery_module
from pipeline.evaluation.report.gallery import LAYERS, MIN_CHARACTERS, UNSURE, WRONG, Gallery, budget, encode
from tests.support import tiny_page
from tests.support.tiny_page import CAR, CLASSES, ROAD, SKY, VOID


def layer(picture, name):
    with Image.open(io.BytesIO(picture.layers[name])) as image:
        assert image.format == "WEBP"
        return np.asarray(image)


def encoded(image, truth, prediction, uncertainty=None, **options):
    uncertainty = np.zeros(truth.shape, np.float32) if uncertainty is None else uncertainty
    return encode(
        image, truth, prediction, uncertainty=uncertainty, **{"classes": CLASSES, "max_characters": 60_000} | options
    )


def noise(height, width, classes, seed=0):
    """An image, truth, prediction and uncertainty that nothing compresses."""
    rng = np.random.default_rng(seed)
    masks = rng.integers(0, len(classes), (2, height, width), dtype=np.uint8)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8), *masks, rng.random((height, width), np.float32)


def test_truth_and_prediction_are_in_the_classes_colours_to_the_pixel():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 4, (2, 33, 47), dtype=np.uint8)
    picture = encoded(np.zeros((33, 47, 3), np.uint8), truth, prediction)
    colours = np.uint8([(128, 64, 128), (70, 130, 180), (0, 0, 142), (0, 0, 0)])
    assert (picture.height, picture.width) == (33, 47)
    assert np.array_equal(layer(picture, "truth"), colours[truth])
    assert np.array_equal(layer(picture, "prediction"), colours[prediction])


def test_an_error_is_where_the_prediction_differs_and_the_truth_is_not_void():
    truth, prediction = np.uint8([[ROAD, ROAD, VOID, CAR]]), np.uint8([[ROAD, SKY, SKY, CAR]])
    error = layer(encoded(np.zeros((1, 4, 3), np.uint8), truth, prediction), "error")
    assert error[0, :, 3].tolist() == [0, 255, 0, 0]
    assert tuple(error[0, 1, :3]) == WRONG


def test_uncertainty_is_opacity_in_16_levels_at_half_the_size():
    uncertainty = np.float32([[0, 0, 0.5, 0.5, 1, 1]] * 2)
    mask = np.zeros((2, 6), np.uint8)
    uncertainties = layer(encoded(np.zeros((2, 6, 3), np.uint8), mask, mask, uncertainty), "uncertainty")
    assert uncertainties[0].tolist() == [
        [*UNSURE, 0],
        [*UNSURE, 136],
        [*UNSURE, 255],
    ]  # 0.5 of 15 levels is 8: 8 / 15 of 255


def test_the_photo_looks_like_the_image():
    image, mask = draw(0, 0, 0, height=90, width=120)
    photo = layer(encoded(image, mask % 3, mask % 3), "photo").astype(int)
    assert np.abs(photo - image).mean() < 6


def test_a_large_image_is_shrunk_to_the_longest_side():
    mask = np.zeros((240, 960), np.uint8)
    mask[:, 480:] = SKY
    picture = encoded(np.zeros((240, 960, 3), np.uint8), mask, mask)
    sizes = {name: layer(picture, name).shape[:2] for name in LAYERS}
    assert sizes == dict.fromkeys(LAYERS, (120, 480)) | {"uncertainty": (60, 240)}
    assert np.array_equal(np.unique(layer(picture, "truth").reshape(-1, 3), axis=0), [[70, 130, 180], [128, 64, 128]])


def test_a_photo_of_camvids_size_is_not_shrunk():
    image, mask = draw(0, 0, 0, height=360, width=480)
    picture = encoded(image, np.minimum(mask, VOID), mask % 3)
    assert (picture.height, picture.width) == (360, 480)
    assert picture.characters <= 60_000


@pytest.mark.parametrize("max_characters", [MIN_CHARACTERS, 60_000])
def test_no_picture_is_larger_than_allowed(max_characters):
    classes = ClassTable(tuple(map(str, range(255))), tuple((i, i // 2, 255 - i) for i in range(255)), (0, 0, 0), None)
    image, truth, prediction, uncertainty = noise(240, 320, classes)
    picture = encoded(image, truth, prediction, uncertainty, classes=classes, max_characters=max_characters)
    assert max_characters / 2 < picture.characters <= max_characters


@pytest.mark.slow
def test_a_page_of_233_images_of_noise_is_under_15_megabytes(tmp_path, monkeypatch):
    made = [noise(360, 480, CLASSES, seed=i) for i in range(20)]
    pictures = [encoded(*of) for of in made]  # one takes 150 ms
    gallery = Gallery(CLASSES, max_characters=60_000)
    counts = np.full((3, 3), 19_200)
    for i in range(233):
        image, truth, prediction, uncertainty = made[i % 20]
        monkeypatch.setattr(gallery_module, "encode", lambda *_, number=i, **__: pictures[number % 20])
        gallery.add(f"test/{i:03}", image, truth, prediction, uncertainty=uncertainty, counts_CC=counts)
    report.write(tmp_path / "page.html", tiny_page.page(gallery=gallery))
    assert 10e6 < (tmp_path / "page.html").stat().st_size < 15e6


def test_a_page_of_thousands_of_images_is_under_15_megabytes_and_says_which_it_shows(tmp_path, monkeypatch):
    number, made = 5000, []
    image, truth, prediction, uncertainty = noise(64, 64, CLASSES)
    picture = encoded(image, truth, prediction, uncertainty, max_characters=budget(number))
    monkeypatch.setattr(gallery_module, "encode", lambda *_, **__: made.append(1) or picture)  # one takes 10 ms
    gallery = Gallery(CLASSES, max_characters=budget(number))
    for i in range(number):
        right = (i * 7 + 1) % number  # each once: the share of right pixels
        counts = np.diag([right, 0, 0])
        counts[0, 1] = number - right
        gallery.add(f"test/{i:04}", image, truth, prediction, uncertainty=uncertainty, counts_CC=counts)
    page = tiny_page.page(gallery=gallery)
    report.write(tmp_path / "page.html", page)
    assert 5e6 < (tmp_path / "page.html").stat().st_size < 15e6
    # The images of the first class, which alone is in their truth, are among the worst: no others are shown.
    assert gallery.choice.startswith(
        "700 of 5,000 images: the 700 with the lowest mean IoU, and of each class the 100 "
    )
    assert gallery.choice in (tmp_path / "page.html").read_text()
    miou = [entry.scores.miou for entry in gallery.worst_first()]
    assert miou == [pytest.approx(right / number / 2) for right in range(700)]
    assert len(made) < 3 * 700  # pictures that were among the worst when they came


def test_characters_are_shared_out_among_the_images_that_are_shown():
    assert [budget(number) for number in (1, 233, 700, 1000, 10**6)] == [60_000, 60_000, 20_000, 14_000, 14_000]


def test_shapes_that_differ_are_refused():
    mask = np.zeros((4, 6), np.uint8)
    with pytest.raises(
        ValueError, match=r"got \(4, 6, 3\), \(4, 6\), \(4, 5\), \(4, 6\); pass all at the image's size"
    ):
        encoded(np.zeros((4, 6, 3), np.uint8), mask, mask[:, 1:], np.zeros((4, 6), np.float32))


@pytest.mark.parametrize(("value", "shown"), [(1.5, r"0\.\.1\.5"), (-1, r"-1\.\.0"), (np.nan, r"nan\.\.nan")])
def test_uncertainties_outside_0_to_1_are_refused(value, shown):
    mask, uncertainty = np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.float32)
    uncertainty[1, 1] = value
    with pytest.raises(ValueError, match=rf"expected uncertainties in \[0, 1\], got {shown}; scale them"):
        encoded(np.zeros((4, 6, 3), np.uint8), mask, mask, uncertainty)


def test_too_few_characters_are_refused():
    mask = np.zeros((4, 6), np.uint8)
    with pytest.raises(ValueError, match="expected at least 2,000 characters per image, got 1,999; show fewer"):
        encoded(np.zeros((4, 6, 3), np.uint8), mask, mask, max_characters=1999)


def test_the_worst_image_is_first_and_one_without_a_score_last():
    entries = tiny_page.gallery("dacbe").worst_first()
    assert [entry.image_id for entry in entries] == [f"test/{name}" for name in tiny_page.WORST_FIRST]
    assert [entry.tree()["miou"] for entry in entries] == [
        pytest.approx(v, abs=1e-4) for v in (1 / 3, 0.625, 0.75, 1)
    ] + [None]


def test_images_of_one_score_are_in_the_order_of_their_ids():
    gallery = Gallery(CLASSES, max_characters=4000)
    for name in ("b", "c", "a"):
        photo, truth, prediction, uncertainty, counts = tiny_page.image("e")
        gallery.add(name, photo, truth, prediction, uncertainty=uncertainty, counts_CC=counts)
    assert [entry.image_id for entry in gallery.worst_first()] == ["a", "b", "c"]


def test_counts_of_other_classes_are_refused():
    photo, truth, prediction, uncertainty, _ = tiny_page.image("a")
    with pytest.raises(ValueError, match=r"test/a: expected counts of 3 x 3 classes, got \(2, 2\)"):
        Gallery(CLASSES, max_characters=4000).add(
            "test/a", photo, truth, prediction, uncertainty=uncertainty, counts_CC=np.zeros((2, 2), np.int64)
        )
