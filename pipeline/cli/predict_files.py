"""Which files `segnet predict` reads, and which it writes: never over a file that it has not written itself."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from pipeline.core.arrays import Pixels
from pipeline.files import atomic, video
from pipeline.files.decoding import read_header, read_software, suffixes
from pipeline.files.images import encode_png

SOFTWARE = "segnet predict"
_SUFFIXES = {"mask": ".png", "overlay": ".png", "uncertainty": ".png", "probabilities": ".npy"}


def is_video(path: Path) -> bool:
    """Return whether a file is a video, by its suffix."""
    return path.suffix.lower() in video.SUFFIXES


def named(paths: list[Path]) -> dict[str, Path]:
    """Return each image by the name of its outputs, relative to the output folder; earlier outputs are no images.

    That is its name without the suffix; with it, where another image would have the same name. A file that `paths` name
    twice is there once, by the first.

    Raises:
        ValueError: a path does not exist, there is no image, or two images would have the same name.
    """
    images = list(_once(_images(paths)))
    if not images:
        kinds, places = ", ".join(sorted(suffixes())), ", ".join(map(str, paths))
        raise ValueError(f"expected images ({kinds}), got none in {places}; name another folder")
    names = [full.with_suffix("") for full, _ in images]
    # A suffix that is kept may make the name of another image.
    while len(taken := dict(zip(names, images, strict=True))) < len(images):
        uses = Counter(names)
        kept = [full if uses[name] > 1 else name for name, (full, _) in zip(names, images, strict=True)]
        if kept == names:
            raise _same_name(images)
        names = kept
    return {name.as_posix(): file for name, (_, file) in taken.items()}


def _same_name(images: list[tuple[Path, Path]]) -> ValueError:
    uses = Counter(full for full, _ in images)
    one, other, *_ = (file for full, file in images if uses[full] > 1)
    return ValueError(f"expected images with different names, got {one} and {other}; predict them separately")


def _once(images: Iterable[tuple[Path, Path]]) -> Iterator[tuple[Path, Path]]:
    """Leave out an image that was there before, by another way to it, such as ./a.png or the folder that holds it.

    A link of another name stands for an image of its own.
    """
    seen: set[Path | tuple[Path, Path]] = set()
    for full, file in images:
        place = file.parent.resolve() / file.name
        if place not in seen and (full, file.resolve()) not in seen:
            yield full, file
        seen |= {place, (full, file.resolve())}


def _images(paths: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield each image with its path below the folder that was given, or its name."""
    for path in paths:
        if path.is_dir():
            for file in sorted(file for file in path.rglob("*") if _is_image(path, file)):
                yield file.relative_to(path), file
        elif path.is_file():
            yield Path(path.name), path
        else:
            what = "is neither a file nor a folder" if path.exists() else "does not exist"
            raise ValueError(f"expected an image or a folder, got {path}, which {what}; correct the path")


def planned(
    images: Mapping[str, Path], out: Path, *, probabilities: bool, uncertainty: bool
) -> dict[str, dict[str, Path]]:
    """Return the files that will be written for each image or video, by kind.

    Args:
        images: what is read, by the name of its outputs.
        out: the output folder.
        probabilities: whether they are asked for.
        uncertainty: likewise.

    Raises:
        ValueError: a file would be replaced that no earlier call has written, one lies where a folder must, or a video
            has no such outputs.
    """
    blocking = next((place for place in (out, *out.parents) if place.exists() and not place.is_dir()), None)
    if blocking is not None:
        raise ValueError(f"expected a folder as --out, got {blocking}, which is a file; name another folder")
    wanted = {"uncertainty": uncertainty, "probabilities": probabilities}
    kinds = {kind: suffix for kind, suffix in _SUFFIXES.items() if wanted.get(kind, True)}
    read, files_of = {path.resolve() for path in images.values()}, {}
    for name, path in images.items():
        if is_video(path) and any(wanted.values()):
            raise ValueError(
                f"expected images with --probabilities and --uncertainty, got the video {path}; leave them out"
            )
        target = out / name
        files_of[name] = {
            kind: target.with_name(f"{target.name}_{kind}{suffix}")
            for kind, suffix in ({"overlay": ".mp4"} if is_video(path) else kinds).items()
        }
        _refuse_foreign(files_of[name], read)
    return files_of


def _refuse_foreign(files: Mapping[str, Path], read: Collection[Path]) -> None:
    """Raise ValueError if one of the files is there and is no earlier output, or is one that is read."""
    for path in filter(Path.exists, files.values()):
        is_ours = _is_of_mask(path, files["mask"]) if path.suffix == ".npy" else is_output(path)
        if path.resolve() in read or not is_ours:
            raise ValueError(
                f"expected no file that segnet predict would replace but its own, got {path}, which it did not "
                "write; name another folder by --out; nothing was written"
            )


def _is_of_mask(path: Path, mask: Path) -> bool:
    """Return whether an array, which has no room for a mark, is as an earlier call writes it beside its mask."""
    if not is_output(mask):
        return False
    try:
        values, (_, height, width) = np.lib.format.open_memmap(path, mode="r"), read_header(mask)
    except (OSError, ValueError):
        return False
    return values.dtype == np.float32 and values.ndim == 3 and values.shape[1:] == (height, width)


def write(pixels: Pixels, path: Path) -> None:
    """Write pixels as a PNG that tells who has written it."""
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(encode_png(pixels, software=SOFTWARE))


def is_output(path: Path) -> bool:
    """Return whether a picture or a video is an output of an earlier call."""
    return (video.read_comment(path) if is_video(path) else read_software(path)) == SOFTWARE


def _is_image(folder: Path, path: Path) -> bool:
    """Return whether a file of a folder is taken for an image: by its suffix, unless it or a folder of it is hidden.

    macOS and Jupyter leave files such as ._a.png and .ipynb_checkpoints/a.png beside the images.
    """
    if path.suffix.lower() not in suffixes() or any(part.startswith(".") for part in path.relative_to(folder).parts):
        return False
    may_be_output = path.stem.rpartition("_")[2] in _SUFFIXES
    return path.is_file() and not (may_be_output and is_output(path))
