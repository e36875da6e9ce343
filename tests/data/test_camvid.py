import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import camvid
from pipeline.files.images import read_header, read_mask
from pipeline.files.threads import Images
from pipeline.params.steps import Download
from tests.support import ROOT
from tests.support.made import made

MIRROR = Path(os.environ.get("SEGNET_MIRROR", ROOT.parent / "shared" / "data"))
LIMITS = Download(attempts=1, timeout_seconds=5.0, max_members=20_000, max_megabytes=4_000, files_up_to=100)
FILES = {
    "train/0016E5_00390.png": b"image 1", "trainannot/0016E5_00390.png": b"mask 1",
    "val/0016E5_07959.png": b"image 2", "valannot/0016E5_07959.png": b"mask 2",
    "test/Seq05VD_f00000.png": b"image 3", "testannot/Seq05VD_f00000.png": b"mask 3",
    "train.txt": b"/SegNet/CamVid/train/0016E5_00390.png",
}  # fmt: skip
# cd CamVid && find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum
FILES_DIGEST = "cce434ffab11b5b538427c56719207a645a7098c1679c96a96f4591de834b318"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder that holds an archive of the small files above."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with zipfile.ZipFile(folder / camvid.ARCHIVE, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(f"{camvid.ARCHIVE.removesuffix('.zip')}/CamVid/{name}", content)
        archive.writestr(f"{camvid.ARCHIVE.removesuffix('.zip')}/README.md", b"not of the data set")
    monkeypatch.setenv("SEGNET_MIRROR", str(folder))
    return folder


def test_images_and_masks_keep_their_bytes_in_the_split_of_their_folder(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(camvid, "DIGEST", FILES_DIGEST)

    source = camvid.source(tmp_path / "unpacked", LIMITS)
    entries = made(source)

    assert [(e.split, e.sequence, e.name) for e in entries] == [
        ("test", "Seq05VD", "Seq05VD_f00000"),
        ("train", "0016E5", "0016E5_00390"),
        ("val", "0016E5", "0016E5_07959"),
    ]
    assert [e.image.content for e in entries] == [b"image 3", b"image 1", b"image 2"]
    assert [e.mask.content for e in entries] == [b"mask 3", b"mask 1", b"mask 2"]
    assert entries[1].image.place == "images/train/0016E5_00390.png"
    assert entries[1].mask.place == "masks/train/0016E5_00390.png"
    assert source.images == Images(3, 0)  # these are none
    assert "non-commercial use only" in source.licence


def test_other_content_is_refused(mirror, tmp_path):
    with pytest.raises(
        ValueError, match=f"expected CamVid with the digest {camvid.DIGEST}, got {FILES_DIGEST}: .*remove"
    ):
        camvid.source(tmp_path / "unpacked", LIMITS)


def test_the_digest_is_the_one_that_the_shell_computes(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)

    assert camvid.digest(tmp_path) == FILES_DIGEST


@pytest.mark.slow
def test_the_real_camvid_has_the_splits_and_the_pixels_that_are_known_of_it(tmp_path, monkeypatch):
    if not (MIRROR / camvid.ARCHIVE).is_file():
        pytest.skip(f"needs {camvid.ARCHIVE} in the folder that SEGNET_MIRROR names")
    monkeypatch.setenv("SEGNET_MIRROR", str(MIRROR))

    source = camvid.source(tmp_path, LIMITS)

    counts = {split: np.zeros(256, np.int64) for split in ("train", "val", "test")}
    for entry in made(source):
        mask = read_mask(entry.mask.content)
        assert mask.shape == (360, 480)
        assert read_header(entry.image.content) == ("RGB", 360, 480)
        counts[entry.split] += np.bincount(mask.ravel(), minlength=256)
    assert [sum(e.split == split for e in made(source)) for split in counts] == [367, 101, 233]
    assert counts["train"][:12].tolist() == [
        10_682_767, 14_750_079, 623_349, 20_076_880, 2_845_085, 6_166_762, 743_859, 714_595, 3_719_877, 405_385,
        184_967, 2_503_995,
    ]  # fmt: skip
    assert counts["test"][:12].tolist() == [
        6_870_982, 9_906_732, 473_895, 10_390_661, 3_731_857, 4_530_895, 406_612, 476_807, 1_599_124, 255_232,
        76_220, 1_543_383,
    ]  # fmt: skip
    assert round(counts["val"][11] / counts["val"].sum(), 3) == 0.017
    assert not any(count[12:].any() for count in counts.values())
