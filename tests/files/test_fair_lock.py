import threading

import pytest

from pipeline.files.fair_lock import FairLock


def waiting(lock, count):
    """Wait until so many threads hold or wait for the lock."""
    for _ in range(1000):
        if len(lock._queue) == count:
            return
        threading.Event().wait(0.005)
    raise AssertionError(f"expected {count} threads at the lock, got {len(lock._queue)}")


def test_threads_get_the_lock_in_the_order_of_asking():
    lock, order = FairLock(), []

    def work(name):
        for step in range(2):
            with lock:
                order.append(f"{name}{step}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    with lock:
        for number, thread in enumerate(threads):
            thread.start()
            waiting(lock, 2 + number)
    for thread in threads:
        thread.join(10)
    assert order[:3] == ["a0", "b0", "c0"]  # a asked for its second turn only after b and c had asked for their first
    assert sorted(order[3:]) == ["a1", "b1", "c1"]


def test_only_one_thread_holds_the_lock():
    lock, inside, most = FairLock(), [], []

    def work():
        for _ in range(50):
            with lock:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(most), max(most)) == (200, 1)


def test_an_error_releases_the_lock():
    lock = FairLock()
    with pytest.raises(ValueError, match="broken"), lock:
        raise ValueError("broken")
    with lock:
        waiting(lock, 1)


def test_a_thread_interrupted_while_it_waits_stops_no_other(monkeypatch):
    lock = FairLock()

    def interrupted(_):
        raise KeyboardInterrupt

    with lock:
        with monkeypatch.context() as patch:
            patch.setattr(lock._changed, "wait_for", interrupted)
            with pytest.raises(KeyboardInterrupt):
                lock.__enter__()
        waiting(lock, 1)
    with lock:
        waiting(lock, 1)
