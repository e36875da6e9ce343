"""`segnet predict`."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.text import Text

from pipeline.cli import model as models
from pipeline.core.arrays import Pixels
from pipeline.files import atomic, pictures, video
from pipeline.files.decoding import suffixes
from pipeline.files.images import ImageError, encode_png, read_image
from pipeline.files.terminal import error_line, say, say_json
from pipeline.files.video import VideoError
from pipeline.inference.predict import Predictor, load
from pipeline.registry.model_files import located


def predict(
    images: Annotated[list[Path], typer.Argument(help="Images, folders of images, and videos.")],
    *,
    model: models.Address = "models/segnet",
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("predictions"),
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Also write NAME_probabilities.npy.")] = False,
    uncertainty: Annotated[bool, typer.Option("--uncertainty", help="Also write NAME_uncertainty.png.")] = False,
    overlap: Annotated[
        float | None, typer.Option(min=0, max=0.95, help="Fraction by which windows overlap; default: as registered.")
    ] = None,
    flip: Annotated[bool | None, typer.Option(help="Average with the mirror image's prediction.")] = None,
    scale: Annotated[
        list[float] | None,
        typer.Option(min=0.25, max=4, help="Resize by this; repeated: average over all; default: as registered."),
    ] = None,
    samples: Annotated[int | None, typer.Option(min=0, help="Passes with dropout, for Bayesian networks.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Predict the class of each pixel: NAME_mask.png holds the classes, NAME_overlay.png shows them in colour.

    Of a video, NAME_overlay.mp4 shows the classes of each frame, without sound; videos are named one by one, since
    those in a folder are left alone.
    An image that cannot be read is reported, and the others are still predicted; the exit code is then 1.
    """
    paths_by_name = dict(_named(images))
    if (probabilities or uncertainty) and (clip := next(filter(_is_video, paths_by_name.values()), None)):
        raise ValueError(
            f"expected images with --probabilities and --uncertainty, got the video {clip}; leave them out"
        )
    given = {"overlap": overlap, "flip": flip, "scales": scale or None, "samples": samples}
    with located(model) as (folder, options):
        predictor = load(folder, **options | {key: value for key, value in given.items() if value is not None})
    console = Console(stderr=True)
    done: list[dict[str, Any]] = []
    for name, path in track(paths_by_name.items(), "predict", console=console, disable=not console.is_terminal):
        try:
            files = _write(predictor, path, out / name, probabilities=probabilities, uncertainty=uncertainty)
        except (ImageError, VideoError) as err:
            done.append({"image": str(path), "error": str(err)})
            console.print(Text(error_line(f"segnet: {path}: {err}")), style="red", soft_wrap=True)
            continue
        done.append({"image": str(path), **{kind: str(file) for kind, file in files.items()}})
    failed = sum("error" in each for each in done)
    if json:
        say_json({"classes": predictor.spec.classes.names, "images": done})
    else:
        say(f"{len(done) - failed} of {len(done)} {_kind(paths_by_name.values())} predicted, in {out}")
    if failed:
        raise typer.Exit(1)


def _kind(paths: Collection[Path]) -> str:
    videos = sum(map(_is_video, paths))
    return "images" if not videos else "videos" if videos == len(paths) else "images and videos"


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in video.SUFFIXES


def _is_image(path: Path) -> bool:
    """Return whether a file of a folder is taken for an image: by its suffix, unless it or a folder of it is hidden.

    macOS and Jupyter leave files such as ._a.png and .ipynb_checkpoints/a.png beside the images.
    """
    return path.suffix.lower() in suffixes() and not any(part.startswith(".") for part in path.parts)


def _named(paths: list[Path]) -> Iterator[tuple[str, Path]]:
    """Yield each image with the name of its outputs, relative to the output folder.

    Raises:
        ValueError: a path does not exist, there is no image, or two images would have the same name.
    """
    taken: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if _is_image(file.relative_to(path)))
        elif path.exists():
            files = [path]
        else:
            raise ValueError(f"expected an image or a folder, got {path}, which does not exist; correct the path")
        for file in files:
            name = (file.relative_to(path) if path.is_dir() else Path(file.name)).with_suffix("").as_posix()
            if name in taken:
                raise ValueError(
                    f"expected images with different names, got {taken[name]} and {file}; predict them separately"
                )
            taken[name] = file
            yield name, file
    if not taken:
        kinds, places = ", ".join(sorted(suffixes())), ", ".join(map(str, paths))
        raise ValueError(f"expected images ({kinds}), got none in {places}; name another folder")


def _write(
    predictor: Predictor, path: Path, target: Path, *, probabilities: bool, uncertainty: bool
) -> dict[str, Path]:
    """Predict an image or a video and write its files; return them by kind.

    Raises:
        ImageError: it cannot be read.
        VideoError: likewise.
    """
    if _is_video(path):
        return {"overlay": _write_video(predictor, path, target)}
    return _write_image(predictor, read_image(path), target, probabilities=probabilities, uncertainty=uncertainty)


def _write_image(
    predictor: Predictor, image: Pixels, target: Path, *, probabilities: bool, uncertainty: bool
) -> dict[str, Path]:
    """Predict an image and write its files; return them by kind. At most one band of probabilities is in memory."""
    size, classes = image.shape[:2], predictor.spec.classes
    mask, shades = np.empty(size, np.uint8), np.empty(size, np.uint8)
    files = {"mask": ".png", "overlay": ".png"}
    files |= {"uncertainty": ".png"} if uncertainty else {}
    paths = {kind: target.with_name(f"{target.name}_{kind}{suffix}") for kind, suffix in files.items()}
    with ExitStack() as stack:
        table = None
        if probabilities:
            paths["probabilities"] = target.with_name(f"{target.name}_probabilities.npy")
            temporary = stack.enter_context(atomic.replacing(paths["probabilities"]))
            table = np.lib.format.open_memmap(temporary, "w+", np.float32, (len(classes), *size))
        for band in predictor.bands(image):
            mask[band.rows] = band.mask.cpu().numpy()
            shades[band.rows] = (255 * band.shade).round().cpu().numpy()
            if table is not None:
                table[:, band.rows] = band.probabilities.cpu().numpy()
    shown = {"mask": mask, "overlay": pictures.overlay(image, mask, classes), "uncertainty": shades}
    for kind, path in paths.items():
        if kind in shown:
            with atomic.replacing(path) as temporary:
                temporary.write_bytes(encode_png(shown[kind]))
    return paths


def _write_video(predictor: Predictor, path: Path, target: Path) -> Path:
    """Predict each frame of a video and write the overlays as a video; return its path. One frame is in memory."""
    file = target.with_name(f"{target.name}_overlay.mp4")
    with atomic.replacing(file) as temporary, video.writing(temporary) as write:
        for frame, time in video.frames(path):
            write(pictures.overlay(frame, predictor.mask(frame), predictor.spec.classes), time)
    return file
