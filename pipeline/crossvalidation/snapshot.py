"""data/raw as it was when a cross-validation began: one result is of one data set, whatever is run meanwhile."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import manifest
from pipeline.artifacts.manifest import Manifest
from pipeline.artifacts.raw_files import RawFiles
from pipeline.files import digest

_SHOWN = 16  # hexadecimal digits
_TODO = (
    "this fold is not recorded; run dvc repro validate, then the same command, which continues if the data are as they "
    "were, and otherwise begins anew"
)


@dataclass(frozen=True)
class Snapshot:
    """What tells that data/raw is the one that a cross-validation began with."""

    raw: Path
    sha256: str | None
    """Of its manifest; None: there is none."""

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Raise ValueError before or after the block if the manifest is another than at the start.

        It takes the place of an error of the block, which may have failed because of it.
        """
        self._check()
        try:
            yield
        finally:
            self._check()

    def _check(self) -> None:
        if (now := _digest(self.raw)) != self.sha256:
            raise ValueError(
                f"expected {self.raw} as it was when the command began, with the manifest {_shown(self.sha256)}, got "
                f"{_shown(now)}; {_TODO}"
            )


def take(raw: Path) -> Snapshot:
    """Return what data/raw is now; to be called before its manifest is read."""
    return Snapshot(raw, _digest(raw))


def check_images(raw: Path, images: Manifest) -> None:
    """Raise ValueError unless each image and mask has the bytes that the manifest names.

    dvc checkout replaces the files of a folder one by one, so they may be others while the manifest is still the same.

    Args:
        raw: data/raw of a fold's folder, or another that holds the images.
        images: those to look at, all usable.
    """
    files = RawFiles(raw)
    rows = images.images
    for kind, column in (("image", "sha256"), ("mask", "mask_sha256")):
        for place, expected in zip(rows[kind], rows[column], strict=True):
            try:
                source = files.source(place)
                actual = digest.file_sha256(source) if isinstance(source, Path) else hashlib.sha256(source).hexdigest()
            except (OSError, ValueError) as err:
                raise ValueError(f"expected {raw / place}, which the manifest names, got {err}; {_TODO}") from err
            if actual != expected:
                raise ValueError(
                    f"expected {raw / place} with the SHA-256 {_shown(expected)} that the manifest names, got "
                    f"{_shown(actual)}; {_TODO}"
                )


def _digest(raw: Path) -> str | None:
    try:
        return digest.files_sha256({name: raw / name for name in (manifest.TABLE, manifest.HEAD)})
    except OSError:
        return None  # or it is being replaced


def _shown(sha256: str | None) -> str:
    return "none" if sha256 is None else f"{sha256[:_SHOWN]}..."
