"""Reading and writing videos frame by frame, by PyAV (the extra `video`), which is imported when it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.core.arrays import Pixels

SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})


class VideoError(ValueError):
    """A file is not a video that can be read."""


class Sink(Protocol):
    """Takes the next frame, (H, W, 3) uint8 RGB, of the size of the first one, and the time it is shown at."""

    def __call__(self, pixels: Pixels, time: Fraction) -> None:
        """Write it; `time` is in seconds."""


def frames(path: Path) -> Iterator[tuple[Pixels, Fraction]]:
    """Yield the frames of a video's first picture track, (H, W, 3) uint8 RGB, upright, with their times in seconds.

    Times rise from frame to frame. AVI keeps none, and a frame whose own does not come after the last one's follows it
    at the track's mean rate.

    Raises:
        ValueError: PyAV is not installed.
        VideoError: it is not a video, or is damaged.
    """
    av = _av()
    number, time = 0, Fraction(0)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError("expected a video, got a file without pictures; name another file")
            stream = container.streams.video[0]
            stream.codec_context.options = {"err_detect": "explode"}  # otherwise damage is painted over in silence
            is_timed, step = container.format.name != "avi", 1 / (stream.average_rate or Fraction(_USUAL_RATE))
            for frame in container.decode(stream):
                pixels = frame.to_ndarray(format="rgb24")
                own = Fraction(frame.pts) * frame.time_base if is_timed and frame.pts is not None else number * step
                time = own if not number or own > time else time + step
                yield np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90))), time
                number += 1
    except (av.error.FFmpegError, OSError) as err:
        raise VideoError(
            f"expected a video, got one that cannot be decoded after {number} frames: {err.strerror or err}; convert "
            "or repair it"
        ) from err


def num_frames(path: Path) -> int:
    """Return how many frames a video's first picture track has, as its header says; 0 if it does not, or is no video.

    Raises:
        ValueError: PyAV is not installed.
    """
    av = _av()
    try:
        with av.open(str(path)) as container:
            return container.streams.video[0].frames if container.streams.video else 0
    except (av.error.FFmpegError, OSError):
        return 0


@contextmanager
def writing(path: Path, comment: str = "") -> Iterator[Sink]:
    """Yield a function that writes frames to `path`, an MP4 file in H.264, with a comment; without sound.

    Frames are shown at their own times, which rise. A last row or column of an odd number is repeated, as H.264 needs
    even sizes.

    Raises:
        ValueError: PyAV is not installed.
        VideoError: the frames cannot be encoded.
    """
    av = _av()
    with _encoded(), av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = comment
        stream: Any = None

        def write(pixels: Pixels, time: Fraction) -> None:
            nonlocal stream
            height, width = pixels.shape[:2]
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if stream is None:
                stream = container.add_stream("libx264", options={"crf": "18"})
                stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], "yuv420p"
                stream.codec_context.time_base = _TICK
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time / _TICK), _TICK
            container.mux(stream.encode(frame))

        yield write
        if stream is not None:
            container.mux(stream.encode(None))


@contextmanager
def _encoded() -> Iterator[None]:
    """Turn what the encoder refuses into a VideoError; a disk that refuses stays an OSError."""
    try:
        yield
    except _av().error.FFmpegError as err:
        if isinstance(err, OSError):
            raise
        raise VideoError(
            f"expected frames that H.264 can hold, got {err.strerror or err}; convert the video, or predict its frames "
            "as images"
        ) from err


def read_comment(path: Path) -> str:
    """Return the comment of a video; "" if it has none, or is none."""
    av = _av()
    try:
        with av.open(str(path)) as container:
            return str(container.metadata.get("comment", ""))
    except (av.error.FFmpegError, OSError):
        return ""


_USUAL_RATE = 25  # frames per second, of a track that does not say
_TICK = Fraction(1, 90_000)  # seconds; the usual rates have whole numbers of it


def _av() -> Any:
    try:
        import av
    except ModuleNotFoundError as err:
        raise ValueError(
            "expected PyAV, which reads and writes videos, got none; run pip install -e '.[video]' in the repository's "
            "folder"
        ) from err
    return av
