"""`segnet predict`."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from pipeline.cli import model as models, predict_files
from pipeline.cli.predict_files import is_video
from pipeline.core.arrays import Pixels
from pipeline.files import atomic, pictures, video
from pipeline.files.images import ImageError, read_image
from pipeline.files.terminal import error_line, say, say_json
from pipeline.files.video import VideoError
from pipeline.inference.predict import PLAIN, Predictor, load
from pipeline.registry.model_files import located

Report = Callable[[float], None]
"""Is told which share of an image or a video is predicted, in [0, 1]."""


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

    NAME is the image's without its suffix; of those that differ in the suffix alone, with it.
    Of a video, NAME_overlay.mp4 shows the classes of each frame, without sound; videos are named one by one, since
    those in a folder are left alone. Nothing is replaced but what an earlier call has written.
    An image that cannot be read is reported, and the others are still predicted; the exit code is then 1.
    """
    paths_by_name = predict_files.named(images)
    files_of = predict_files.planned(paths_by_name, out, probabilities=probabilities, uncertainty=uncertainty)
    given = {"overlap": overlap, "flip": flip, "scales": scale or None, "samples": samples}
    with located(model) as (folder, options):
        wanted = {key: value for key, value in given.items() if value is not None}
        predictor = load(folder, **{**PLAIN, **options, **wanted})
    console = Console(stderr=True)
    done: list[dict[str, Any]] = []
    with _progress(console, len(paths_by_name)) as report:
        for name, path in paths_by_name.items():
            try:
                _write(predictor, path, files_of[name], lambda share: report(len(done) + share))
            except (ImageError, VideoError) as err:
                done.append({"image": str(path), "error": str(err)})
                console.print(Text(error_line(f"segnet: {path}: {err}")), style="red", soft_wrap=True)
            else:
                done.append({"image": str(path), **{kind: str(file) for kind, file in files_of[name].items()}})
            report(len(done))
    failed = sum("error" in each for each in done)
    if json:
        say_json({"classes": predictor.spec.classes.names, "images": done})
    else:
        say(f"{len(done) - failed} of {len(done)} {_kind(paths_by_name.values())} predicted, in {out}")
    if failed:
        raise typer.Exit(1)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Report]:
    """Yield what shows how many images are predicted, and how much of the next, if the console is a terminal."""
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("predict", total=total)
        yield lambda completed: progress.update(task, completed=completed)


def _kind(paths: Collection[Path]) -> str:
    videos = sum(map(is_video, paths))
    return "images" if not videos else "videos" if videos == len(paths) else "images and videos"


def _write(predictor: Predictor, path: Path, files: Mapping[str, Path], report: Report) -> None:
    """Predict an image or a video and write its files, which are given by kind.

    Raises:
        ImageError: it cannot be read.
        VideoError: likewise.
    """
    if is_video(path):
        _write_video(predictor, path, files["overlay"], report)
    else:
        _write_image(predictor, _read(path), files, report)


def _read(path: Path) -> Pixels:
    try:
        return read_image(path)
    except OSError as err:
        raise ImageError(f"expected an image that can be read: {err.strerror or err}; correct its permissions") from err


def _write_image(predictor: Predictor, image: Pixels, files: Mapping[str, Path], report: Report) -> None:
    """Predict an image and write its files. At most one band of probabilities is in memory."""
    size, classes = image.shape[:2], predictor.spec.classes
    mask, shades = np.empty(size, np.uint8), np.empty(size, np.uint8)
    with ExitStack() as stack:
        table = None
        if "probabilities" in files:
            temporary = stack.enter_context(atomic.replacing(files["probabilities"]))
            table = np.lib.format.open_memmap(temporary, "w+", np.float32, (len(classes), *size))
            _reserve(temporary)
        for band in predictor.bands(image):
            mask[band.rows] = band.mask.cpu().numpy()
            if "uncertainty" in files:
                shades[band.rows] = (255 * band.shade).round().cpu().numpy()
            if table is not None:
                table[:, band.rows] = band.probabilities.cpu().numpy()
            report(band.rows.stop / size[0])
    shown = {"mask": mask, "overlay": pictures.overlay(image, mask, classes), "uncertainty": shades}
    for kind in files.keys() & shown.keys():
        predict_files.write(shown[kind], files[kind])


def _reserve(path: Path) -> None:
    """Take the room on the disk that a file will need: a mapped one that finds none kills the process (SIGBUS).

    Raises:
        OSError: there is not enough.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _write_video(predictor: Predictor, path: Path, file: Path, report: Report) -> None:
    """Predict each frame of a video and write the overlays as a video. One frame is in memory."""
    with atomic.replacing(file) as temporary, video.writing(temporary, predict_files.SOFTWARE) as write:
        expected = video.num_frames(path)
        for number, (frame, time) in enumerate(video.frames(path), 1):
            write(pictures.overlay(frame, predictor.mask(frame), predictor.spec.classes), time)
            report(min(1, number / expected) if expected else 0)
