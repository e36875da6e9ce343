import os
import threading

import numpy as np
import pytest
from PIL import Image

from pipeline.files import threads


@pytest.fixture
def image(tmp_path):
    """An image of 100 x 200 pixels, which the pool estimates at 200,000 bytes."""
    Image.fromarray(np.zeros((100, 200), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def most_at_once(images):
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

    assert list(threads.on_all_cores(work, range(8), "testing", images=images)) == [0, 10, 20, 30, 40, 50, 60, 70]
    return max(most)


@pytest.mark.parametrize(("memory", "workers"), [(10_000_000, 4), (400_000, 2), (1, 1)])
def test_as_many_images_are_in_progress_as_memory_and_cores_allow(image, monkeypatch, memory, workers):
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(threads, "_MEMORY", memory)

    assert most_at_once([image]) == workers


def test_small_images_are_worked_on_by_one_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 4)
    Image.fromarray(np.zeros((100, 199), np.uint8)).save(tmp_path / "a.png")

    assert most_at_once([tmp_path / "a.png"]) == 1


def pid(item):
    return item, os.getpid()


@pytest.mark.parametrize(
    ("width", "cores", "num_images", "are_processes"),
    [(199, 2, None, True), (199, 2, 99, False), (199, 1, None, False), (200, 2, None, False)],
)
def test_many_small_images_are_worked_on_by_processes(tmp_path, monkeypatch, width, cores, num_images, are_processes):
    monkeypatch.setattr(threads.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(threads, "_MANY", 100)
    Image.fromarray(np.zeros((100, width), np.uint8)).save(tmp_path / "a.png")
    images = [tmp_path / "a.png"]
    found = list(threads.on_all_cores(pid, range(200), "testing", images=images, num_images=num_images))
    assert [item for item, _ in found] == list(range(200))
    assert (os.getpid() not in {process for _, process in found}) == are_processes


def test_a_file_that_is_not_an_image_takes_no_memory(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"not an image")
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 2)

    assert most_at_once([tmp_path / "a.png"]) == 2


def test_few_items_are_taken_before_their_results_are(monkeypatch):
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 2)
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

    assert list(threads.on_all_cores(work, Items(range(100)), "testing", images=[])) == list(range(100))
    assert seen == [11]  # two threads with four items each waiting, and the one that waits for the first result


def test_what_is_not_taken_is_not_worked_on_ahead(monkeypatch):
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 2)
    done = []

    results = threads.on_all_cores(done.append, range(1000), "testing", images=[])
    next(results)
    threading.Event().wait(0.1)
    results.close()
    assert len(done) <= 11  # two threads with four items each waiting, and the one that was taken


def test_after_an_error_the_rest_is_left_alone(monkeypatch):
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 1)
    done = []

    def work(item):
        if item == 3:
            raise ValueError("item 3")
        done.append(item)

    with pytest.raises(ValueError, match="item 3"):
        list(threads.on_all_cores(work, range(1000), "testing", images=[]))
    assert len(done) < 20


def test_an_error_in_the_work_reaches_the_caller():
    def work(item):
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        list(threads.on_all_cores(work, range(3), "testing", images=[]))
