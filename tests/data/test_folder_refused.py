"""What a user's folder may not hold is refused by name, before anything is trained on it."""

import numpy as np
import pytest
from PIL import Image

from pipeline.data import folder
from tests.data.test_folder import settings, write


@pytest.fixture
def root(tmp_path):
    """A data set of three images, one per split, and index masks."""
    root = tmp_path / "fields"
    for split in ("train", "val", "test"):
        write(root / f"images/{split}/{split}_1.png", np.zeros((8, 8, 3)))
        write(root / f"masks/{split}/{split}_1.png", np.full((8, 8), 20))
    return root


@pytest.mark.parametrize("kind", ["index", "colour"])
def test_a_mask_that_was_compressed_with_losses_ends_the_step_and_is_named(root, tmp_path, kind):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / "masks/train/train_1.png", "JPEG")
    with pytest.raises(ValueError, match=r"train_1\.png: expected a mask in lossless compression, got JPEG"):
        folder.write(settings(root, mask_kind=kind), tmp_path / "raw")
