import sys
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
import pytest

from pipeline.files import video
from pipeline.files.video import VideoError

TIMES = [Fraction(0), Fraction(1, 25), Fraction(2, 25), Fraction(5, 25), Fraction(6, 25)]  # not evenly spaced


def write(path, frames, times=TIMES):
    with video.writing(path) as sink:
        for frame, time in zip(frames, times, strict=True):
            sink(frame, time)


@pytest.fixture
def clip(tmp_path):
    """Five frames of 48 x 64 pixels, each of one grey."""
    write(tmp_path / "clip.mp4", [np.full((48, 64, 3), 40 * i, np.uint8) for i in range(5)])
    return tmp_path / "clip.mp4"


def test_frames_come_back_at_their_times(clip):
    pixels, times = zip(*video.frames(clip), strict=True)
    assert list(times) == TIMES
    for i, frame in enumerate(pixels):
        assert frame.shape == (48, 64, 3)
        assert abs(frame.astype(int) - 40 * i).max() <= 2  # H.264 is lossy


def test_frames_of_an_avi_file_follow_each_other_at_its_rate(tmp_path):
    """H.264 stores frames in another order than they are shown in, and AVI keeps no times."""
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"bf": "3", "b-adapt": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(20):
            grey = np.full((48, 64, 3), 12 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
    pixels, times = zip(*video.frames(tmp_path / "a.avi"), strict=True)
    assert list(times) == [Fraction(i, 20) for i in range(len(times))]
    greys = [round(float(frame.mean())) for frame in pixels]
    assert greys == sorted(greys)
    write(tmp_path / "again.mp4", pixels, times)
    assert [time for _, time in video.frames(tmp_path / "again.mp4")] == list(times)


def test_a_time_that_does_not_come_after_the_last_ones_follows_at_the_mean_rate(monkeypatch, clip):
    opened = av.open

    class Disordered:
        def __init__(self, container):
            self.container, self.streams, self.format = container, container.streams, container.format

        def decode(self, stream):
            for frame, pts in zip(self.container.decode(stream), (9000, 1, None, 27000, 18000), strict=True):
                frame.pts, frame.time_base = pts, Fraction(1, 90_000)
                yield frame

    @contextmanager
    def disordered(path):
        with opened(path) as container:
            yield Disordered(container)

    monkeypatch.setattr(av, "open", disordered)
    with opened(str(clip)) as container:
        step = 1 / container.streams.video[0].average_rate
    times = [time for _, time in video.frames(clip)]
    tenth = Fraction(1, 10)
    assert times == [tenth, tenth + step, max(tenth + 2 * step, 2 * step), 3 * tenth, 3 * tenth + step]


def test_frames_that_cannot_be_encoded_are_an_error(tmp_path):
    frame = np.zeros((32, 48, 3), np.uint8)
    message = r"expected frames that H.264 can hold, got .*; convert the video, or predict its frames as images$"
    with pytest.raises(VideoError, match=message):
        write(tmp_path / "a.mp4", [frame] * 2, [Fraction(1), Fraction(1)])


def test_the_header_says_how_many_frames_there_are(clip, tmp_path):
    assert video.num_frames(clip) == 5
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert video.num_frames(tmp_path / "a.mp4") == 0


def test_the_file_is_h264_that_every_browser_plays(clip):
    with av.open(str(clip)) as container:
        context = container.streams.video[0].codec_context
        assert (container.format.name, context.name, context.pix_fmt) == ("mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuv420p")


def test_an_odd_row_and_column_are_repeated(tmp_path):
    frame = np.zeros((33, 47, 3), np.uint8)
    frame[-1], frame[:, -1] = 200, 200
    write(tmp_path / "odd.mp4", [frame], TIMES[:1])
    ((pixels, _),) = video.frames(tmp_path / "odd.mp4")
    assert pixels.shape == (34, 48, 3)
    assert pixels[-2:, 10:30].min() > 150
    assert pixels[10:20, -2:].min() > 150


@pytest.mark.parametrize(("rotation", "bright"), [(90, np.s_[48:]), (-90, np.s_[:16]), (180, np.s_[:, 48:])])
def test_a_frame_is_turned_as_players_turn_it(tmp_path, rotation, bright):
    with av.open(str(tmp_path / "phone.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(rotation)  # degrees counterclockwise
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[:, :16] = 255  # the left edge
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    ((pixels, _),) = video.frames(tmp_path / "phone.mp4")
    assert pixels.shape == ((48, 64, 3) if rotation == 180 else (64, 48, 3))
    assert pixels[bright].mean() > 240
    assert pixels.mean() < 75


def test_what_is_no_video_is_an_error(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    message = r"decoded after 0 frames: Invalid data found when processing input; convert or repair it"
    with pytest.raises(VideoError, match=message):
        list(video.frames(tmp_path / "a.mp4"))


def test_a_file_with_sound_alone_is_an_error(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44_100
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="expected a video, got a file without pictures; name another file"):
        list(video.frames(tmp_path / "a.mp4"))


def test_a_damaged_video_says_how_far_it_was_read(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (5, 48, 64, 3), np.uint8)
    write(tmp_path / "noise.mp4", noise)
    data = bytearray((tmp_path / "noise.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    (tmp_path / "noise.mp4").write_bytes(data)
    with pytest.raises(VideoError, match=r"cannot be decoded after \d frames"):
        list(video.frames(tmp_path / "noise.mp4"))


def test_without_pyav_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    message = r"expected PyAV, which reads and writes videos, got none; run pip install -e '\.\[video\]' in "
    with pytest.raises(ValueError, match=message):
        next(video.frames(tmp_path / "a.mp4"))
