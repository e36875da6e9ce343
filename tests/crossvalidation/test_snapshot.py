"""A change of data/raw while folds are in work is found, be it of the manifest or of images alone."""

import hashlib
import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from pipeline.artifacts import manifest, raw_files
from pipeline.crossvalidation import snapshot
from tests.support import tiny_dataset

TODO = (
    "; this fold is not recorded; run dvc repro validate, then the same command, which continues if the data are as "
    "they were, and otherwise begins anew"
)


@pytest.fixture
def raw(tmp_path):
    manifest.write(tiny_dataset.make(tmp_path / "raw"), tmp_path / "raw")
    return tmp_path / "raw"


def change(raw):
    manifest.write(replace(manifest.read(raw), licence="Another."), raw)


def shown(sha256):
    return "none" if sha256 is None else f"{sha256[:16]}..."


def expected(first, raw):
    now = snapshot.take(raw)
    got = f"with the manifest {shown(first.sha256)}, got {shown(now.sha256)}"
    return f"^{re.escape(f'expected {raw} as it was when the command began, {got}{TODO}')}$"


def test_data_that_stay_as_they_are_are_kept(raw):
    first = snapshot.take(raw)
    with first.kept():
        manifest.write(tiny_dataset.make(raw), raw)  # as by dvc repro -f: the same bytes


def test_a_manifest_that_is_another_before_the_block_keeps_it_from_being_run(raw):
    first, done = snapshot.take(raw), []
    change(raw)
    with pytest.raises(ValueError, match=expected(first, raw)), first.kept():
        done.append(1)
    assert not done


@pytest.mark.parametrize("fails", [False, True])
def test_a_manifest_that_changes_within_the_block_is_the_error_whether_the_block_failed_or_not(raw, fails):
    first = snapshot.take(raw)

    def work():
        change(raw)
        if fails:
            raise RuntimeError("no image")

    with pytest.raises(ValueError, match=r"^expected .* as it was when") as found, first.kept():
        work()
    assert re.match(expected(first, raw), str(found.value))


def test_data_that_were_removed_are_another(raw):
    first = snapshot.take(raw)
    shutil.rmtree(raw)
    with pytest.raises(ValueError, match=r", got none; this fold is not recorded"), first.kept():
        pass


def shards(raw):
    """Write the data set into shards in place of files."""
    source = manifest.read(raw)
    rows = source.images.to_dict("records")
    contents = [{kind: (raw / row[kind]).read_bytes() for kind in ("image", "mask")} for row in rows]
    pairs = [raw_files.Image(row, content) for row, content in zip(rows, contents, strict=True)]
    images = pd.DataFrame(list(raw_files.into_shards(pairs, raw))).astype(manifest.COLUMNS)
    return replace(source, images=images)


def test_images_in_files_or_shards_are_those_of_the_manifest(raw):
    snapshot.check_images(raw, manifest.read(raw))
    snapshot.check_images(raw, shards(raw))


@pytest.mark.parametrize("path", ["images/val/1.png", "masks/train/0.png"])
def test_a_file_that_was_changed_under_the_same_manifest_is_named(raw, path):
    was, new = (hashlib.sha256(content).hexdigest() for content in ((raw / path).read_bytes(), b"new"))
    (raw / path).write_bytes(b"new")
    message = f"expected {raw / path} with the SHA-256 {shown(was)} that the manifest names, got {shown(new)}{TODO}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        snapshot.check_images(raw, manifest.read(raw))


def test_an_image_that_was_changed_in_a_shard_is_named(raw):
    images = shards(raw)
    place = images.images["image"][0]
    with pytest.raises(ValueError, match=rf"^expected {raw / place} with the SHA-256 other\.\.\. that the manifest"):
        snapshot.check_images(raw, tiny_dataset.change(images, {images.images["id"][0]}, sha256="other"))


def test_a_file_that_is_missing_is_named(raw):
    (raw / "masks/test/2.png").unlink()
    with pytest.raises(
        ValueError, match=rf"^expected {raw}/masks/test/2.png, which the manifest names, got .*; this fo"
    ):
        snapshot.check_images(raw, manifest.read(raw))
