"""The file that answers queries on a node that follows snapshots, while one takes another's place.

A query takes hold of the file that is newest when it begins, and keeps it to its end. A file that
was replaced is closed by who replaced it, behind its last query.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cdc.accelerator import Accelerator, QueryLimits, QueryResult
from cdc.errors import FileUnusable
from cdc.keys import Item, KeySchema


class _Held:
    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.users = 0


class Handover:
    """Answers by any thread. `take` and `let_go` by the one that follows."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: _Held | None = None

    # ------------------------------------------------------------ who follows

    def take(self, accelerator: Accelerator, patience_seconds: float) -> None:
        """Answer from this file from now on; returns when nobody uses the one before.

        After `patience_seconds` it returns all the same: closing a file ends what reads it.
        """
        self._replace(_Held(accelerator), patience_seconds)

    def let_go(self, patience_seconds: float) -> None:
        """Answer nothing any more; returns as `take` does."""
        self._replace(None, patience_seconds)

    def _replace(self, newer: _Held | None, patience_seconds: float) -> None:
        with self._changed:
            older, self._newest = self._newest, newer
            if older is not None:
                self._changed.wait_for(lambda: not older.users, patience_seconds)

    # ------------------------------------------------------------ who asks

    @contextmanager
    def using(self) -> Iterator[Accelerator]:
        """The newest file, which stays open until the block ends."""
        with self._changed:
            held = self._newest
            if held is None:
                raise FileUnusable("the dataset is being closed", hint="ask again later")
            held.users += 1
        try:
            yield held.accelerator
        finally:
            with self._changed:
                held.users -= 1
                self._changed.notify_all()

    @property
    def is_open(self) -> bool:
        """True if there is a file."""
        return self._newest is not None

    @property
    def keys(self) -> KeySchema:
        """As of the file: those of one table never change."""
        with self.using() as accelerator:
            return accelerator.keys

    def query(self, sql: str, limits: QueryLimits) -> QueryResult:
        """One read-only statement, on one file. Raises QueryRefused."""
        with self.using() as accelerator:
            return accelerator.query(sql, limits)

    def read(self, key: Item) -> Item | None:
        """The exact item with this key, or None."""
        with self.using() as accelerator:
            return accelerator.read(key)

    def row_count(self) -> int:
        """Items of the newest file."""
        with self.using() as accelerator:
            return accelerator.row_count()
