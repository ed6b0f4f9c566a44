"""A closed SQLite file read from end to end: the engine's own check, and which items are there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from cdc.columns import Columns
from cdc.content import Dialect, texts
from cdc.errors import FileUnusable
from cdc.rebuild import ItemSetDigest, rebuild
from cdc.sqlite_file import translated
from cdc.sqlite_schema import quoted

_PAGE_ROWS = 10_000

# Binary is a hole: SQLite has no base64.
_DIALECT: Dialect = {
    "text": lambda name, cell, _: f"'{name}S' || length(CAST({cell} AS BLOB)) || ':' || {cell}",
    "integer": lambda name, cell, _: f"'{name}N' || {cell} || ';'",
    "decimal": lambda name, cell, _: f"'{name}N' || {cell} || ';'",
    "boolean": lambda name, cell, _: (
        f"'{name}' || CASE WHEN {cell} THEN 'T' WHEN NOT {cell} THEN 'F' END"
    ),
}


def examine(
    path: Path, dataset: str, columns: Columns, progress: Callable[[int], None]
) -> ItemSetDigest:
    """The digest of all items. `progress`: of how many so far. Raises FileUnusable, FileBusy."""
    with (
        translated(path, "reading all of it"),
        closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as file,
    ):
        file.execute("PRAGMA trusted_schema=OFF")
        found = [str(fault) for (fault,) in file.execute("PRAGMA quick_check(3)")]
        if found != ["ok"]:
            raise FileUnusable(f"{path}: quick_check: {'; '.join(found)[:300]}")
        return _digest(file, quoted(dataset), columns, progress)


def _digest(
    file: sqlite3.Connection, view: str, columns: Columns, progress: Callable[[int], None]
) -> ItemSetDigest:
    found = ItemSetDigest()
    told = texts(columns, _DIALECT, quoted=quoted, joined=_joined)
    parts = [f"CAST({told.pieces[0]} AS BLOB)"]
    for hole, piece in zip(told.holes, told.pieces[1:], strict=True):
        parts += [quoted(hole.name), f"CAST({piece} AS BLOB)"]
    rows = file.execute(f"SELECT {', '.join(parts)} FROM {view} WHERE _rest IS NULL")
    while page := rows.fetchmany(_PAGE_ROWS):
        found.add_sum(len(page), sum(map(told.digest, page)))
        progress(found.count)
    names = ", ".join(map(quoted, (*columns.names, "_rest")))
    rows = file.execute(f"SELECT {names} FROM {view} WHERE _rest IS NOT NULL")
    while page := rows.fetchmany(_PAGE_ROWS):
        found.add_all(rebuild(columns, row[:-1], row[-1]) for row in page)
        progress(found.count)
    return found


def _joined(run: Iterable[str]) -> str:
    return " || ".join(run)
