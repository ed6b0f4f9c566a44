"""Who may touch the file: one writer at a time; freezes hold maintenance off, never commits.

A freeze takes the write lock for the instant in which it notes the commit boundary. Both sides
queue at `_next` first, because a plain lock lets a busy writer take it again and again before a
waiting freeze wakes up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """The write lock of one accelerator and the number of freezes that are open."""

    def __init__(self) -> None:
        self._next = threading.Lock()
        self._write = threading.Lock()
        self._count = threading.Lock()
        self._frozen = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone among writers. Commits, folds and checkpoints of the engine happen in here."""
        with self._next:
            self._write.acquire()
        try:
            yield
        finally:
            self._write.release()

    @property
    def is_frozen(self) -> bool:
        """True while somebody reads the file. Ask inside `writing`: a freeze begins only there."""
        return self._frozen > 0

    def hold(self) -> None:
        """Begin a freeze; called inside `writing`."""
        with self._count:
            self._frozen += 1

    def release(self) -> None:
        """End a freeze."""
        with self._count:
            self._frozen -= 1
