"""The headers of a DuckDB file, read from bytes."""

import struct
from pathlib import Path

import duckdb
import pytest

from cdc.duckdb_blocks import HEADERS_AT, PREAMBLE, MainFile, StorageHeader, parse_headers


def header(iteration: int, block_count: int, block_size: int = 262_144) -> bytes:
    return struct.pack("<6Q", 0, iteration, 0, 0, block_count, block_size).ljust(4096, b"\0")


def test_the_header_with_the_higher_iteration_is_in_force() -> None:
    assert parse_headers(header(7, 10) + header(8, 12)) == StorageHeader(8, 12, 262_144)
    assert parse_headers(header(9, 14) + header(8, 12)) == StorageHeader(9, 14, 262_144)


@pytest.mark.parametrize(
    "raw",
    [b"", bytes(8191), bytes(8192), header(1, 1, 0) * 2, header(1, 1, 1 << 40) * 2],
    ids=["nothing", "short", "zeros", "no block size", "huge blocks"],
)
def test_headers_that_make_no_sense_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="header"):
        parse_headers(raw)


def test_the_layout_is_the_one_that_duckdb_writes(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    with duckdb.connect(str(path)) as plain:
        plain.execute("CREATE TABLE t AS SELECT uuid()::VARCHAR u FROM range(100000)")
        plain.execute("CHECKPOINT")
        ((total, block_size),) = plain.execute(
            "SELECT total_blocks, block_size FROM pragma_database_size()"
        ).fetchall()

    raw = path.read_bytes()
    found = parse_headers(raw[HEADERS_AT:PREAMBLE])
    assert (found.block_count, found.block_size) == (total, block_size)
    assert len(raw) == PREAMBLE + found.block_count * found.block_size


def test_a_main_file_is_open_as_long_as_somebody_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    file = MainFile(path)
    file.hold()
    file.release()
    assert file.read(8, 10) == b"89"

    file.release()
    with pytest.raises(OSError, match="descriptor"):
        file.read(0, 1)
