import base64
import dataclasses
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.files import pictures
from pipeline.params.recipe import Phase
from pipeline.training import batches
from pipeline.training.trainer import Job, Trainer
from tests.support import browser, right_to_left, tiny_data
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY, ignore

AUGMENTED = SETTINGS.model_copy(update={"flip": 0.5, "zoom": (0.5, 2.0), "colour_jitter": 0.3, "epochs": 1})


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Write nine tiles per split: an epoch has three steps of four."""
    return write_tiles(tmp_path_factory.mktemp("toy"))


def page(tiles, folder, **changes):
    batches.write_page(folder / "batches.html", Job(tiles, TINY, AUGMENTED.model_copy(update=changes), (1.0, 3.0)))
    return (folder / "batches.html").read_text()


def learnt(tiles, **changes):
    """Return the images and masks of an epoch's steps, as the network of a real training gets them."""
    trainer, seen = Trainer(Job(tiles, TINY, AUGMENTED.model_copy(update=changes), (1.0, 3.0)), CPU), []

    def learn(images, masks, **_):
        seen.append((images.permute(0, 2, 3, 1).round().to(torch.uint8).numpy(), masks.numpy()))
        return torch.ones(4, dtype=torch.float64)

    trainer.learner.learn = learn
    trainer.train(0, torch.zeros(0, 4, dtype=torch.float64), progress=ignore, save=ignore)
    return seen


@pytest.mark.parametrize(
    "changes", [{}, {"rare_class_share": 0.9, "border": "mirror", "rotation": 10.0}, {"order": "keyed"}]
)
def test_the_page_shows_exactly_what_the_network_is_given(tiles, tmp_path, monkeypatch, changes):
    shown = []
    monkeypatch.setattr(pictures, "overlay_uri", lambda image, mask, *_: shown.append((image, mask)) or "data:,")
    page(tiles, tmp_path, **changes)
    expected = [pair for images, masks in learnt(tiles, **changes) for pair in zip(images, masks, strict=True)]
    assert len(shown) == len(expected) == 12
    for (image, mask), (given, target) in zip(shown, expected, strict=True):
        assert np.array_equal(image, given)
        assert np.array_equal(mask, target)


def test_the_first_phases_tiles_are_shown_as_small_as_they_are(tiles, tmp_path):
    phase = Phase(share=0.5, scale=0.5, learning_rate=0.1, final_rate=0.1, zoom=(1.0, 1.0))
    html = page(tiles, tmp_path, early_phases=(phase,), epochs=2)
    encoded = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    assert {Image.open(io.BytesIO(base64.b64decode(text))).size for text in encoded} == {(16, 16)}


def test_each_tile_is_shown_alone_and_with_its_mask(tiles, tmp_path):
    html = page(tiles, tmp_path)
    encoded = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    assert len(encoded) == 3 * 4 * 2
    sizes = {Image.open(io.BytesIO(base64.b64decode(text))).size for text in encoded}
    assert sizes == {(32, 32)}
    assert html.count("<h2>Step ") == 3
    assert "train.zoom 0.5 to 2.0" in html
    assert " more</p>" not in html


def test_of_a_large_batch_eight_tiles_are_shown(tiles, tmp_path):
    html = page(tiles, tmp_path, batch_size=9)
    assert html.count("<h2>Step ") == 1  # one epoch of nine tiles is one step
    assert html.count("<figure>") == 8
    assert "and 1 more" in html


def test_the_same_job_gives_the_same_bytes_and_no_network_is_needed(tiles, tmp_path):
    html = page(tiles, tmp_path)
    assert html == page(tiles, tmp_path)
    targets = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert all(target.startswith("data:") for target in targets)
    assert "<script" not in html


@browser.needs_browser
def test_a_tile_and_its_mask_are_side_by_side_in_windows_of_all_widths(tiles, tmp_path):
    page(tiles, tmp_path)
    boxes = "[...document.querySelector('.pictures').children].map(each => each.getBoundingClientRect().toJSON())"
    with browser.running() as tab:
        for width in (400, 1400):
            tab.window(width)
            tab.open((tmp_path / "batches.html").as_uri())
            image, mask = tab.run(boxes)
            assert (image["top"], image["width"]) == (mask["top"], mask["width"])
            assert image["right"] < mask["left"]
            assert tab.run("document.documentElement.scrollWidth") == width
        assert tab.complaints == []


@browser.needs_browser
def test_a_long_name_of_a_class_breaks_and_one_from_right_to_left_reorders_nothing(tmp_path, monkeypatch):
    names = (right_to_left.ROAD, "x" * 200)
    monkeypatch.setattr(tiny_data, "CLASSES", dataclasses.replace(tiny_data.CLASSES, names=names))
    assert right_to_left.loose(page(write_tiles(tmp_path), tmp_path)) == []
    with browser.running() as tab:
        for width in (400, 1200):
            tab.window(width)
            tab.open((tmp_path / "batches.html").as_uri())
            assert tab.run("document.documentElement.scrollWidth") == width
