"""What SQLite leaves of deleted rows in a page is not in a snapshot of it."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cdc.sqlite_file import PAGE_BYTES, connect_writer
from cdc.sqlite_slack import cleared

GONE = b"needle"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file in which rows were written, moved and deleted."""
    path = tmp_path_factory.mktemp("slack") / "file"
    chance = random.Random(3)
    numbers = list(range(6000))
    with closing(connect_writer(path)) as writer:
        writer.execute("CREATE TABLE rows (id BLOB PRIMARY KEY, note TEXT) WITHOUT ROWID")
        for _ in range(4):
            chance.shuffle(numbers)
            writer.execute("BEGIN")
            for number in numbers[:3000]:
                name = "needle" if number % 10 == 0 else "item"
                # Some are longer than a page.
                note = f"{name}{number}" * chance.choice([1, 5, 20, 600])
                identity = random.Random(number).randbytes(16)
                writer.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (identity, note))
            writer.execute("COMMIT")
        writer.execute("DELETE FROM rows WHERE note LIKE 'needle%'")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


def test_nothing_of_a_deleted_row_is_left(file: bytes) -> None:
    assert GONE in file  # in gaps alone: what was deleted is overwritten
    assert GONE not in cleared(file, 0)


def test_sqlite_reads_the_same_rows(file: bytes, tmp_path: Path) -> None:
    rows = []
    for name, data in (("as-it-is", file), ("cleared", cleared(file, 0))):
        (tmp_path / name).write_bytes(data)
        with closing(sqlite3.connect(tmp_path / name)) as plain:
            assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            rows.append(plain.execute("SELECT * FROM rows ORDER BY id").fetchall())

    assert rows[0] == rows[1]
    assert len(rows[0]) > 3000


def test_pages_are_cleared_one_by_one_as_together(file: bytes) -> None:
    pages = [cleared(file[at : at + PAGE_BYTES], at) for at in range(0, len(file), PAGE_BYTES)]

    assert b"".join(pages) == cleared(file, 0)


def test_what_has_no_gaps_is_left_as_it_is() -> None:
    noise = random.Random(1).randbytes(PAGE_BYTES - 1)

    for first in (0, 1, 3, 13):
        page = bytes([first]) + noise
        assert cleared(page, PAGE_BYTES) == page
    assert cleared(bytes(PAGE_BYTES), 0) == bytes(PAGE_BYTES)
    assert cleared(b"", 0) == b""
