"""A closed file read from end to end: damage is found, and equal items have one digest."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cdc.accelerator import Engine
from cdc.columns import Columns
from cdc.engines import examine, fold_log, open_accelerator
from cdc.errors import FileUnusable
from cdc.rebuild import ItemSetDigest
from tests.restorer.accelerators import COLUMNS, DATASET, KEYS, batch_of, rows_of
from tests.snapshotter.images import checkpoint

ROWS = 20_000


@pytest.fixture
def file(engine: Engine, path: Path) -> Path:
    """A closed file with some megabytes of rows and no log."""
    made = open_accelerator(engine, path, DATASET, keys=KEYS, create=True)
    made.apply(batch_of(rows_of(0, ROWS, seed=1)), checkpoint(1000.0, 1))
    made.close()
    fold_log(engine, path)
    return path


def digest_of(engine: Engine, path: Path, columns: Columns = COLUMNS) -> ItemSetDigest:
    return examine(engine, path, DATASET, columns)


def test_the_digest_is_that_of_the_items(engine: Engine, file: Path) -> None:
    wanted = ItemSetDigest()
    for name, amount, note in rows_of(0, ROWS, seed=1):
        wanted.add({"id": {"S": name}, "amount": {"N": str(amount)}, "note": {"S": note}})

    found = digest_of(engine, file)

    assert (found.count, found.hexdigest()) == (ROWS, wanted.hexdigest())


def test_progress_counts_the_items(engine: Engine, file: Path) -> None:
    told: list[int] = []
    examine(engine, file, DATASET, COLUMNS, progress=told.append)

    assert told == sorted(told)
    assert told[-1] == ROWS


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_damaged_page_is_found(engine: Engine, file: Path, share: float) -> None:
    data = bytearray(file.read_bytes())
    at = int(len(data) * share) // 4096 * 4096  # of both engines: where a page begins
    data[at : at + 8] = bytes(byte ^ 0xFF for byte in data[at : at + 8])
    file.write_bytes(data)

    with pytest.raises(FileUnusable, match=str(file)):
        digest_of(engine, file)


def test_a_damaged_page_that_no_item_is_on_is_found(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite"
    made = open_accelerator("sqlite", path, DATASET, keys=KEYS, create=True)
    made.apply(batch_of(rows_of(0, 10, seed=1)), checkpoint(1000.0, 1))
    made.close()
    fold_log("sqlite", path)
    with closing(sqlite3.connect(path)) as file:
        name = "_snowmelt_quarantine"
        found = file.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name])
        ((page,),) = found.fetchall()
    data = bytearray(path.read_bytes())
    at = (page - 1) * 4096
    data[at + 7] ^= 0x10  # how many bytes between cells are too few to be used
    path.write_bytes(data)

    with pytest.raises(FileUnusable, match="quick_check"):
        digest_of("sqlite", path)
