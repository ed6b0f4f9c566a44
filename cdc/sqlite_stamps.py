"""The table of stamps in a SQLite file, `_snowmelt_stamps`, made with the first of them.

It is as `cdc.ordering.STAMPS`, one row per identity.
"""

from __future__ import annotations

import sqlite3

import pyarrow as pa

from cdc.ordering import STAMPS, empty_stamps
from cdc.sqlite_schema import LIST_TABLES, PROBE_SIZE

TABLE = "_snowmelt_stamps"
_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (_h BLOB PRIMARY KEY, first_us INTEGER NOT NULL,"
    " last_us INTEGER NOT NULL, event TEXT NOT NULL, image BLOB, before BLOB,"
    " crowded INTEGER NOT NULL, repaired_us INTEGER) STRICT, WITHOUT ROWID"
)
_WRITE = f"INSERT OR REPLACE INTO {TABLE} VALUES ({', '.join('?' * len(STAMPS))})"
_READ = (
    f"SELECT {', '.join(STAMPS.names)} FROM {TABLE}"
    f" WHERE _h IN ({', '.join('?' * PROBE_SIZE)}) AND last_us >= ?"
)
_FORGET = f"DELETE FROM {TABLE} WHERE _h >= ? AND _h < ? AND last_us < ?"
# There is no index on the time, so the table is gone through by parts of the identities.
_PARTS = 256
_PART_EVERY_US = 15 * 1_000_000


def write(connection: sqlite3.Connection, stamps: pa.Table) -> None:
    """Write stamps in the place of older ones of the same items, in the caller's transaction."""
    connection.execute(_CREATE)
    columns = (stamps.sort_by("_h").column(name).to_pylist() for name in STAMPS.names)
    connection.executemany(_WRITE, zip(*columns, strict=True))


def exists(connection: sqlite3.Connection) -> bool:
    """True if the file has stamps."""
    return (TABLE,) in connection.execute(LIST_TABLES).fetchall()


def read(connection: sqlite3.Connection, identities: pa.Array, since_us: int) -> pa.Table:
    """The stamps of these items, if they reach to `since_us`."""
    wanted = sorted(set(identities.to_pylist()))
    rows: list[tuple[object, ...]] = []
    for start in range(0, len(wanted), PROBE_SIZE):
        some = wanted[start : start + PROBE_SIZE]
        padding = [None] * (PROBE_SIZE - len(some))
        rows += connection.execute(_READ, [*some, *padding, since_us]).fetchall()
    if not rows:
        return empty_stamps()
    columns = dict(zip(STAMPS.names, zip(*rows, strict=True), strict=True))
    columns["crowded"] = tuple(map(bool, columns["crowded"]))
    arrays = [pa.array(columns[field.name], field.type) for field in STAMPS]
    return pa.Table.from_arrays(arrays, schema=STAMPS)


class Forgetting:
    """Drops old stamps, a part of the identities at a time: all of them within an hour or so."""

    def __init__(self) -> None:
        self._part = 0
        self._done_us = 0

    def statement(self, before_us: int | None) -> tuple[str, tuple[bytes, bytes, int]] | None:
        """What is to be run now, if anything; it counts as done."""
        if before_us is None or before_us < self._done_us + _PART_EVERY_US:
            return None
        first = bytes([self._part])
        last = bytes([self._part + 1]) if self._part + 1 < _PARTS else b"\xff" * 17
        self._done_us = before_us
        self._part = (self._part + 1) % _PARTS
        return _FORGET, (first, last, before_us)
