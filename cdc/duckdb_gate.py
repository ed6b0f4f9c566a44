"""Who may touch the file: one writer at a time, one changer of its tables, and freezes.

A commit and a step of upkeep touch other tables, so they go on at once, each in a transaction of
its own. `writing` is held for what must be alone: a commit beside another commit, the instants in
which tables change roles or names, and the engine's checkpoints. `upkeep` is held from the
beginning of its steps to the end, by whoever adds columns, and by a freeze at its beginning; it is
always taken before `writing`. Freezes hold upkeep off, never commits.

Each is a queue: a plain lock lets a busy thread take it again and again before a waiting one wakes
up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """The locks of one accelerator and the number of freezes that are open."""

    def __init__(self) -> None:
        self._writing = _Turns()
        self._upkeep = _Turns()
        self._count = threading.Lock()
        self._frozen = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone among writers. Who is so already may enter again."""
        with self._writing.taken():
            yield

    @contextmanager
    def upkeep(self) -> Iterator[None]:
        """While no table gets another shape. Not inside `writing`, unless it is held already."""
        with self._upkeep.taken():
            yield

    @property
    def is_frozen(self) -> bool:
        """True while somebody reads the file. Ask inside `upkeep`: a freeze begins only there."""
        return self._frozen > 0

    def hold(self) -> None:
        """Begin a freeze; called inside both."""
        with self._count:
            self._frozen += 1

    def release(self) -> None:
        """End a freeze."""
        with self._count:
            self._frozen -= 1


class _Turns:
    """A lock that is given to threads in the order in which they came."""

    def __init__(self) -> None:
        self._next = threading.Lock()
        self._lock = threading.Lock()
        self._owner: int | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        if self._owner == threading.get_ident():
            yield
            return
        with self._next:
            self._lock.acquire()
        self._owner = threading.get_ident()
        try:
            yield
        finally:
            self._owner = None
            self._lock.release()
