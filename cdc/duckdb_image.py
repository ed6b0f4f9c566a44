"""A frozen image opened by an engine of its own, from the very bytes that a snapshot takes.

DuckDB has no integrity check, and what the writer's instance says comes from its memory. So a
second instance attaches the image through a file system that hands out the frozen parts, read-only,
replays the log's prefix and reads its checkpoint, columns and rows. Nothing is copied: opening
reads a megabyte, counting rows the identities.

The instance is kept, because to make one takes longer than to open an image; it holds no file.
"""

from __future__ import annotations

import atexit
import io
import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from fsspec import AbstractFileSystem

from cdc import checkpoint as checkpoints
from cdc.accelerator import FrozenPart, Reopened
from cdc.columns import Columns
from cdc.duckdb_errors import first_line
from cdc.duckdb_sql import BASE, READ_CHECKPOINT, SCHEMA, quoted

# Counting reads 16 bytes a row: 60 ms for so many.
_COUNTED_ROWS = 1_000_000
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "512MB",
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
}
_PROTOCOL = "snowmelt-image"
_lock = threading.Lock()
_instance: tuple[duckdb.DuckDBPyConnection, dict[str, FrozenPart]] | None = None
_numbers = itertools.count()


def reopened(parts: Sequence[FrozenPart], *, counts: bool) -> Reopened:
    """What an engine finds in these parts, the main file first. One image at a time."""
    global _instance  # noqa: PLW0603 - one for the process
    with _lock:
        try:
            if _instance is None:
                _instance = _made()
            connection, files = _instance
            return _looked_into(connection, files, parts, counts=counts)
        except (duckdb.Error, ValueError, IndexError, KeyError) as error:
            _close()  # what failed may have left it unusable; the next image gets another
            return Reopened(trouble=first_line(error))


@atexit.register
def _close() -> None:
    """The driver complains of an instance that outlives the interpreter."""
    global _instance  # noqa: PLW0603
    if _instance is not None:
        _instance[0].close()
    _instance = None


def _looked_into(
    connection: duckdb.DuckDBPyConnection,
    files: dict[str, FrozenPart],
    parts: Sequence[FrozenPart],
    *,
    counts: bool,
) -> Reopened:
    # A name is never used twice, because the engine remembers what it knows of one.
    path = f"{_PROTOCOL}://{next(_numbers)}.duckdb"
    files |= {path + suffix: part for suffix, part in zip(("", ".wal"), parts, strict=False)}
    try:
        connection.execute(f"ATTACH '{path}' AS image (READ_ONLY)")
        connection.execute("USE image")
        found = _read(connection, counts=counts)
        # Behind an error the instance is given up, and a second error would hide the first.
        connection.execute("USE memory")
        connection.execute("DETACH image")
    finally:
        files.clear()
    return found


def _read(connection: duckdb.DuckDBPyConnection, *, counts: bool) -> Reopened:
    def one(statement: str) -> Any:
        return connection.execute(statement).fetchall()[0][0]

    ((text, finished),) = connection.execute(READ_CHECKPOINT).fetchall()
    columns = connection.execute(f"SELECT text FROM {SCHEMA}.columns").fetchall()
    dataset = one(f"SELECT value FROM {SCHEMA}.meta WHERE name = 'dataset'")
    is_counted = counts or one(f"SELECT count(*) FROM {BASE}") <= _COUNTED_ROWS
    rows = one(f"SELECT count(*) FROM main.{quoted(dataset)}") if is_counted else None
    checkpoint = checkpoints.decode(text, finished)
    return Reopened(checkpoint, Columns.decode(columns[0][0]) if columns else Columns(), rows)


def _made() -> tuple[duckdb.DuckDBPyConnection, dict[str, FrozenPart]]:
    files: dict[str, FrozenPart] = {}
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    connection.register_filesystem(_Images(files))
    return connection, files


class _Images(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The parts of the image that is attached, by path."""

    protocol = _PROTOCOL
    cachable = False

    def __init__(self, files: Mapping[str, FrozenPart]) -> None:
        super().__init__()
        self._files = files

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        return {"name": path, "size": self._part(path).length, "type": "file"}

    def open(self, path: str, *_args: Any, **_options: Any) -> _Reading:
        return _Reading(self._part(path))

    def _part(self, path: str) -> FrozenPart:
        part = self._files.get(path)
        if part is None:
            raise FileNotFoundError(path)
        return part


class _Reading(io.RawIOBase):
    """One part as a file. The engine has one thread, so there is one position."""

    def __init__(self, part: FrozenPart) -> None:
        self._part = part
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        wanted = self._part.length - self._at if size < 0 else size
        data = self._part.read(self._at, wanted)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begins = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._part.length}
        self._at = begins[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
