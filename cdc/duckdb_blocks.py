"""The bytes of a DuckDB main file: its two headers, and which of its blocks matter.

    0      main header: checksum u64, "DUCK", version u64, ...
    4096   database header 1 ┐ checksum u64, iteration u64, meta block u64, free list u64,
    8192   database header 2 ┘ block count u64, block size u64, ...          (little-endian)
    12288  block 0, block 1, ... each of block size bytes

The header with the higher iteration is in force; a checkpoint writes the other one last. So equal
headers before and after a read mean that no checkpoint ended in between (a seqlock).

Only blocks that the last checkpoint or a commit since refers to matter. Free blocks, and the file's
end, change under a bulk insert at any time.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cdc import live_files
from cdc.errors import FileUnusable

HEADER_SIZE = 4096
HEADERS_AT = HEADER_SIZE
PREAMBLE = 3 * HEADER_SIZE
_FIELDS = struct.Struct("<8x5Q")
_MAX_BLOCK_SIZE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StorageHeader:
    """What the database header in force says."""

    iteration: int
    block_count: int
    block_size: int


def parse_headers(raw: bytes) -> StorageHeader:
    """The header in force of the two, given as 8 KiB from offset 4096. Raises ValueError."""
    if len(raw) < 2 * HEADER_SIZE:
        raise ValueError(f"database headers need {2 * HEADER_SIZE} bytes, got {len(raw)}")
    headers = [_FIELDS.unpack_from(raw, HEADER_SIZE * at) for at in (0, 1)]
    iteration, _, _, block_count, block_size = max(headers)
    if not 0 < block_size <= _MAX_BLOCK_SIZE:
        raise ValueError(f"database header has a block size of {block_size}")
    return StorageHeader(iteration, block_count, block_size)


class MainFile:
    """The main file, open beside the engine, for the accelerator and its freezes.

    Nothing is written by `descriptor`; by it free blocks are given back (`cdc.duckdb_holes`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._live = live_files.note(path)
        self._holders = 1
        self._lock = threading.Lock()

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; fewer only at the end of the file."""
        pieces: list[bytes] = []
        while size > 0:
            piece = os.pread(self.descriptor, size, offset)
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def disk_bytes(self) -> int:
        """What the file takes of the disk, holes left out."""
        return os.fstat(self.descriptor).st_blocks * 512

    def headers(self) -> bytes:
        """Both database headers, 8 KiB."""
        return self.read(HEADERS_AT, 2 * HEADER_SIZE)

    def header(self) -> StorageHeader:
        """The header in force. Raises FileUnusable if it makes no sense."""
        try:
            return parse_headers(self.headers())
        except ValueError as error:
            raise FileUnusable(f"cannot read the headers of {self.path}: {error}") from error

    def hold(self) -> None:
        """Keep the descriptor open until `release`, even if the accelerator is closed meanwhile."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                os.close(self.descriptor)
                live_files.forget(self._live)


def table_blocks(cursor: duckdb.DuckDBPyConnection, table: str) -> frozenset[int]:
    """Blocks that the columns of a table refer to. `table`: a name of ours, with its schema."""
    rows = cursor.execute(
        "SELECT DISTINCT unnest([block_id] || additional_block_ids) FROM pragma_storage_info(?)",
        [table],
    ).fetchall()
    return frozenset(row[0] for row in rows) - {-1, None}


def used_blocks(
    cursor: duckdb.DuckDBPyConnection, known: Mapping[str, frozenset[int]]
) -> tuple[frozenset[int], int]:
    """Blocks that tables and metadata of the attached file refer to, and the engine's own count.

    The count also has the blocks of what was dropped since the last checkpoint. A commit between
    the statements that are needed makes the two differ. `known`: blocks of tables that nobody
    changes meanwhile.
    """
    tables = cursor.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'db'"
    ).fetchall()
    rows = cursor.execute("SELECT block_id FROM pragma_metadata_info()").fetchall()
    used = frozenset(row[0] for row in rows) - {-1, None}
    others = [f'"{name}"."{table}"' for name, table in tables if f"{name}.{table}" not in known]
    used = used.union(*known.values(), *(table_blocks(cursor, table) for table in others))
    counted = cursor.execute(
        "SELECT used_blocks FROM pragma_database_size() WHERE database_name = 'db'"
    ).fetchall()
    return used, int(counted[0][0])
