"""Hand-built batches and plain views of the file, for the tests of the SQLite accelerator."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from cdc.accelerator import FrozenImage
from cdc.batch import Batch, schema_of
from cdc.checkpoint import Checkpoint, Lineage, ScanProgress
from cdc.columns import Column, Columns
from cdc.keys import Item, KeyAttribute, KeySchema

KEYS = KeySchema(KeyAttribute("route", "S"), KeyAttribute("leg", "N"))
COLUMNS = Columns(
    (
        Column("route", "text"),
        Column("leg", "integer"),
        Column("version", "integer"),
        Column("note", "text"),
    )
)
LINEAGE = Lineage("flights", "table-1", "arn:stream", "20260101T000000Z-abcd")


def key(number: int) -> Item:
    return {"route": {"S": f"route#{number}"}, "leg": {"N": str(number)}}


def checkpoint(version: int, *, scan_ended_at: float | None = 1.0) -> Checkpoint:
    return Checkpoint(LINEAGE, 1, version, ScanProgress(0.0, (), scan_ended_at))


def batch(
    numbers: Iterable[int], version: int = 1, *, dead: Iterable[int] = (), note: str = "as planned"
) -> Batch:
    """One row for each number, and a deletion for each in `dead`."""
    alive, gone = list(numbers), list(dead)
    empty: list[Any] = [None] * len(gone)
    cells: list[Sequence[Any]] = [
        [f"route#{number}" for number in alive],
        list(alive),
        [version] * len(alive),
        [note] * len(alive),
        [None] * len(alive),
    ]
    arrays = [
        [KEYS.identity(key(number)) for number in (*alive, *gone)],
        [False] * len(alive) + [True] * len(gone),
        *([*column, *empty] for column in cells),
    ]
    return Batch(pa.table(arrays, schema=schema_of(COLUMNS)), COLUMNS, len(alive) + len(gone))


def batch_of(columns: Columns, rows: list[dict[str, Any]]) -> Batch:
    """Rows as dictionaries with `_h`; what is not named is NULL."""
    return Batch(
        pa.Table.from_pylist([{"_dead": False, **row} for row in rows], schema=schema_of(columns)),
        columns,
        len(rows),
    )


def select(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """The answer of a plain sqlite3 of another process, as any reader would get it."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True);"
        "print(repr(c.execute(sys.argv[2]).fetchall()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path), sql], capture_output=True, text=True, check=True
    )
    found: list[tuple[Any, ...]] = eval(run.stdout)  # noqa: S307 - the repr of our own query
    return found


def copy_of(image: FrozenImage, folder: Path, block: int = 64 * 1024) -> Path:
    """The image as files in `folder`, written like a restore writes them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for part in image.parts:
        suffix = {"main": "", "tail": "-wal"}[part.name]
        with (folder / f"copy.db{suffix}").open("wb") as file:
            for offset in range(0, part.length, block):
                file.write(part.read(offset, block))
        assert (folder / f"copy.db{suffix}").stat().st_size == part.length
    return folder / "copy.db"


def contents(path: Path) -> tuple[int, int, list[tuple[int, int]]]:
    """Checkpoint version, stated row count and (version, rows) of a file that nobody has open."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ((version, rows),) = connection.execute(
            "SELECT version, row_count FROM _snowmelt_checkpoint"
        ).fetchall()
        groups = connection.execute(
            "SELECT version, count(*) FROM flights GROUP BY 1 ORDER BY 1"
        ).fetchall()
    finally:
        connection.close()
    return version, rows, groups
