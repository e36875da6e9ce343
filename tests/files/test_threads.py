import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipeline.files import threads
from pipeline.files.threads import Images, Work, largest


@pytest.fixture
def image(tmp_path):
    """An image of 100 x 200 pixels, which the pool estimates at 600,000 bytes."""
    Image.fromarray(np.zeros((100, 200), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


UNKNOWN = Images(1000, 0)


def most_at_once(*images):
    """Return the largest number of 8 items in progress at the same time."""
    lock, running, most = threading.Lock(), [], []
    pause = threading.Event()

    def work(item):
        with lock:
            running.append(item)
            most.append(len(running))
        pause.wait(0.02)
        with lock:
            running.remove(item)
        return item * 10

    results = threads.on_all_cores(work, range(8), "testing", Images(8, largest(images, len(images))))
    assert list(results) == [0, 10, 20, 30, 40, 50, 60, 70]
    return max(most)


@pytest.mark.parametrize(("memory", "workers"), [(10_000_000, 4), (1_200_000, 2), (1, 1)])
def test_as_many_images_are_in_progress_as_memory_and_cores_allow(image, monkeypatch, memory, workers):
    monkeypatch.setattr(threads.cores, "usable", lambda: range(4))
    monkeypatch.setattr(threads, "_MEMORY", memory)

    assert most_at_once(image) == workers


def test_small_images_are_worked_on_by_one_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(threads.cores, "usable", lambda: range(4))
    Image.fromarray(np.zeros((100, 199), np.uint8)).save(tmp_path / "a.png")

    assert most_at_once(tmp_path / "a.png") == 1


def pid(item):
    return item, os.getpid()


@pytest.mark.parametrize(
    ("cores", "images", "are_processes"),
    [
        (2, Images(200, 100 * 199), True),
        (2, Images(99, 100 * 199), False),
        (1, Images(200, 100 * 199), False),
        (2, Images(200, 100 * 200), False),
        (2, Images(2, 100 * 200, are_drawn=True), True),
        (1, Images(2, 100 * 200, are_drawn=True), False),
    ],
)
def test_many_small_images_and_drawings_are_worked_on_by_processes(monkeypatch, cores, images, are_processes):
    monkeypatch.setattr(threads.cores, "usable", lambda: range(cores))
    monkeypatch.setattr(threads, "_MANY", 100)
    monkeypatch.setattr(threads, "_ALONE", 0.0)
    found = list(threads.on_all_cores(pid, range(200), "testing", images))
    assert [item for item, _ in found] == list(range(200))
    assert (os.getpid() not in {process for _, process in found}) == are_processes


@pytest.mark.parametrize(
    ("number", "here"),
    [
        (3, 3),  # before four seconds have passed
        (5, 5),  # the other two would take 2.7 s
        (6, 3),  # the other three would take 4 s
    ],
)
def test_work_that_is_soon_done_is_done_here_and_the_rest_of_more_by_processes(monkeypatch, number, here):
    clock = iter(range(10))  # seconds: when it begins, and before each of the items
    monkeypatch.setattr(threads.cores, "usable", lambda: range(2))
    monkeypatch.setattr(threads, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(threads, "_ALONE", 4.0)
    drawn = Images(number, 100, are_drawn=True)
    found = list(threads.on_all_cores(pid, range(number), "testing", drawn))
    assert [item for item, _ in found] == list(range(number))
    assert [process == os.getpid() for _, process in found] == [i < here for i in range(number)]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot confine a process to cores")
def test_a_process_that_is_confined_to_a_core_starts_no_others():
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from pipeline.files import threads; "
        "from tests.files.test_threads import pid; drawn = threads.Images(3, 100, are_drawn=True); "
        "print({of for _, of in threads.on_all_cores(pid, range(3), 'testing', drawn)} == {os.getpid()})"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize(("number", "cores", "processes"), [(9_999, 2, 0), (10_000, 2, 2), (10_000, 1, 0)])
def test_the_sizes_of_many_images_are_read_by_processes(tmp_path, monkeypatch, number, cores, processes):
    started, pool = [], threads.processes.pool
    monkeypatch.setattr(threads, "_ALONE", 0.0)
    monkeypatch.setattr(threads.cores, "usable", lambda: range(cores))
    monkeypatch.setattr(threads.processes, "pool", lambda *options: started.append(options[1]) or pool(*options))
    for width in (30, 50, 40):
        Image.fromarray(np.zeros((100, width), np.uint8)).save(tmp_path / f"{width}.png")
    (tmp_path / "none.png").write_bytes(b"not an image")
    assert largest(sorted(tmp_path.iterdir()), number) == 5000
    assert largest([], number) == 0
    assert sum(started) == 2 * processes


def test_a_file_that_is_not_an_image_takes_no_memory(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"not an image")
    monkeypatch.setattr(threads.cores, "usable", lambda: range(2))

    assert most_at_once(tmp_path / "a.png") == 2


def test_few_items_are_taken_before_their_results_are(monkeypatch):
    monkeypatch.setattr(threads.cores, "usable", lambda: range(2))
    taken, seen = [], []

    class Items(list):
        def __iter__(self):
            for item in super().__iter__():
                taken.append(item)
                yield item

    def work(item):
        if item == 0:
            threading.Event().wait(0.2)  # in which all items could be taken
            seen.append(len(taken))
        return item

    assert list(threads.on_all_cores(work, Items(range(100)), "testing", UNKNOWN)) == list(range(100))
    assert seen == [11]  # two threads with four items each waiting, and the one that waits for the first result


def test_what_is_not_taken_is_not_worked_on_ahead(monkeypatch):
    monkeypatch.setattr(threads.cores, "usable", lambda: range(2))
    done = []

    results = threads.on_all_cores(done.append, range(1000), "testing", UNKNOWN)
    next(results)
    threading.Event().wait(0.1)
    results.close()
    assert len(done) <= 11  # two threads with four items each waiting, and the one that was taken


def test_after_an_error_the_rest_is_left_alone(monkeypatch):
    monkeypatch.setattr(threads.cores, "usable", lambda: range(1))
    done = []

    def work(item):
        if item == 3:
            raise ValueError("item 3")
        done.append(item)

    with pytest.raises(ValueError, match="item 3"):
        list(threads.on_all_cores(work, range(1000), "testing", UNKNOWN))
    assert len(done) < 20


def test_an_error_in_the_work_reaches_the_caller():
    def work(item):
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        list(threads.on_all_cores(work, range(3), "testing", UNKNOWN))


def test_work_on_an_item_has_one_part_of_one_image_at_a_time():
    seen = []

    def load(item):
        for number in range(item):
            seen.append(f"load {number}")
            yield number

    def make(number):
        for part in range(2):
            seen.append(f"make {number}.{part}")
            yield f"{number}.{part}"

    def store(item, made):
        seen.extend(f"store {each}" for each in made)
        return item

    assert Work(load, make, store)(2) == 2
    assert seen == [
        *("load 0", "make 0.0", "store 0.0", "make 0.1", "store 0.1"),
        *("load 1", "make 1.0", "store 1.0", "make 1.1", "store 1.1"),
    ]


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_is_said(monkeypatch):
    monkeypatch.setattr(threads, "_ALONE", 0.0)
    monkeypatch.setattr(threads.cores, "usable", lambda: range(2))
    with pytest.raises(ValueError, match=r"2 processes to work on images, got one that was killed .*; free some memo"):
        list(threads.on_all_cores(die, range(3), "images", Images(3, 1, are_drawn=True)))
