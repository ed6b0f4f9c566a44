"""A bound on how many do something at once, first come, first served.

`threading.Semaphore` lets a thread that asks again at once overtake those that wait, so a busy
reader could starve another for seconds. Here a slot that becomes free is handed to the longest
waiting one.
"""

from __future__ import annotations

import threading
from collections import deque


class Slots:
    """`count` slots."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, timeout_seconds: float) -> bool:
        """Take a slot, waiting at most so long; False if none became free."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout_seconds):
            return True
        with self._lock:
            if turn.is_set():  # handed over just after the wait had ended
                return True
            self._waiting.remove(turn)
        return False

    def release(self) -> None:
        """Give a slot back, to the one that waits longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
