"""The perceptual hash, against hand-worked values."""

import numpy as np
from PIL import Image

from pipeline.data import download


def test_the_hash_of_a_left_right_edge_is_worked_by_hand():
    grey = np.zeros((32, 32), np.uint8)
    grey[:, :16] = 255
    # Rows are equal: only the first row of coefficients is not 0. There the mean is positive, the odd frequencies
    # 1, 3, 5, 7 change sign from one to the next, and the even ones cancel out.
    signs = [np.cos(np.pi * (2 * np.arange(16) + 1) * k / 64).sum() for k in range(8)]
    assert [s > 1e-6 for s in signs] == [True, True, False, False, False, True, False, False]

    assert download.perceptual_hash(grey) == f"{0b11000100:02x}" + "00" * 7


def test_a_brighter_noisier_and_smaller_copy_has_nearly_the_same_hash_and_another_picture_has_not():
    rng = np.random.default_rng(0)

    def smooth():
        blobs = Image.fromarray(rng.integers(0, 200, (6, 8), dtype=np.uint8))
        return np.asarray(blobs.resize((160, 120), Image.Resampling.BICUBIC))

    picture, other = smooth(), smooth()
    copy = np.asarray(Image.fromarray(picture).resize((80, 60))) + rng.integers(20, 30, (60, 80), dtype=np.uint8)

    def bits(a, b):
        return (int(download.perceptual_hash(a), 16) ^ int(download.perceptual_hash(b), 16)).bit_count()

    assert bits(picture, copy) <= 4
    assert bits(picture, other) >= 16


def test_the_hash_of_a_blank_picture_has_no_bit_but_the_mean():
    assert download.perceptual_hash(np.zeros((7, 9), np.uint8)) == "0" * 16
    assert download.perceptual_hash(np.full((7, 9), 77, np.uint8)) == "8" + "0" * 15
