"""Read connections of one SQLite file, shared by any number of threads, and their orderly end.

A connection is leased for one read and kept for the next. SQLite's locks belong to the process:
every connection has to be closed before the descriptors of the file and of its wal-index are.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdc.errors import FileUnusable
from cdc.sqlite_file import connect_reader, translated

_MOST_IDLE = 8
# A read that does not end after its interrupt is an iterator that nobody advances.
_PATIENCE_SECONDS = 0.5


class Readers:
    """A pool of connections that cannot write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._idle: list[sqlite3.Connection] = []
        self._leased: set[sqlite3.Connection] = set()
        self._closed = False

    @contextmanager
    def lease(self) -> Iterator[sqlite3.Connection]:
        """A connection outside any transaction. The holder ends the transaction that it begins."""
        connection = self._take()
        try:
            yield connection
        finally:
            self._take_back(connection)

    def _take(self) -> sqlite3.Connection:
        with self._changed:
            if self._closed:
                raise FileUnusable(f"{self._path}: the file is closed", hint="open it again")
            if self._idle:
                connection = self._idle.pop()
            else:
                with translated(self._path, "opening for reading"):
                    connection = connect_reader(self._path)
            self._leased.add(connection)
            return connection

    def _take_back(self, connection: sqlite3.Connection) -> None:
        with self._changed:
            if connection not in self._leased:
                return
            self._leased.discard(connection)
            is_kept = not self._closed and len(self._idle) < _MOST_IDLE
            if is_kept and not connection.in_transaction:
                self._idle.append(connection)
            else:
                connection.close()
            self._changed.notify_all()

    def close(self) -> None:
        """Close every connection; reads that are running are interrupted."""
        with self._changed:
            self._closed = True
            for connection in self._leased:
                connection.interrupt()
            self._changed.wait_for(lambda: not self._leased, _PATIENCE_SECONDS)
            for connection in (*self._idle, *self._leased):
                connection.close()
            self._idle.clear()
            self._leased.clear()
