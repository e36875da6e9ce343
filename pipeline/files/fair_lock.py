"""A lock between threads that is granted in the order of asking."""

import threading
from collections import deque


class FairLock:
    """A lock that each thread gets in the order in which they asked for it.

    threading.Lock promises no order: a thread that releases and takes it in a loop usually gets it again at once, and
    the others wait until the loop has ended.
    """

    def __init__(self) -> None:
        """Create the lock; no thread holds it."""
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()  # the first one holds the lock

    def __enter__(self) -> None:
        """Wait until all who asked before have released the lock, and hold it."""
        turn = object()
        with self._changed:
            self._queue.append(turn)
            try:
                self._changed.wait_for(lambda: self._queue[0] is turn)
            except BaseException:  # interrupted: without this, all others would wait for it
                self._queue.remove(turn)
                self._changed.notify_all()
                raise

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        with self._changed:
            self._queue.popleft()
            self._changed.notify_all()
