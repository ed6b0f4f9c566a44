"""Indexes of a SQLite file: which are made when, and that rows stay right beside them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc.accelerator import Layout
from cdc.columns import Column
from cdc.sqlite_accelerator import SqliteAccelerator
from tests.cdc.sqlite_rows import COLUMNS, KEYS, batch, batch_of, checkpoint, copy_of, key, select

BY_NOTE = ("note", "version")
BY_VERSION = ("version",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flights.db"


@pytest.fixture
def accelerator(path: Path) -> Iterator[SqliteAccelerator]:
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    accelerator.layout = Layout(indexes=(BY_NOTE, BY_VERSION))
    yield accelerator
    accelerator.close()


def names(path: Path) -> list[str]:
    listed = select(path, "SELECT name FROM sqlite_master WHERE name GLOB '_snowmelt_by:*'")
    return sorted(name.removeprefix("_snowmelt_by:") for (name,) in listed)


def plan(path: Path, where: str) -> str:
    return str(select(path, f"EXPLAIN QUERY PLAN SELECT * FROM flights WHERE {where}")[0][3])


def test_upkeep_makes_one_index_after_a_commit_and_the_others_when_nothing_happens(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    accelerator.apply(batch(range(10)), checkpoint(1))

    accelerator.maintain(idle=False)
    assert names(path) == ['["note","version"]']
    accelerator.maintain(idle=True)

    assert names(path) == ['["note","version"]', '["version"]']
    assert '_snowmelt_by:["note","version"] (note=? AND version>?)' in plan(
        path, "note = 'as planned' AND version > 3"
    )
    assert '_snowmelt_by:["note","version"] (note=?)' in plan(path, "note = 'as planned'")


def test_no_index_is_made_before_the_scan_has_ended(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    accelerator.append_scan(batch(range(10)), checkpoint(1, scan_ended_at=None))
    accelerator.maintain(idle=True)
    assert names(path) == []

    accelerator.apply(batch([]), checkpoint(2))
    accelerator.maintain(idle=True)

    assert len(names(path)) == 2


def test_an_index_waits_for_the_columns_of_its_attributes(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    accelerator.layout = Layout(indexes=(("late",),))
    accelerator.apply(batch(range(3)), checkpoint(1))
    accelerator.maintain(idle=True)
    assert names(path) == []

    columns = COLUMNS.added([Column("late", "text")])
    row = {"_h": KEYS.identity(key(1)), "route": "route#1", "leg": 1, "late": "x"}
    accelerator.apply(batch_of(columns, [row]), checkpoint(2))
    accelerator.maintain(idle=False)

    assert '_snowmelt_by:["late"] (late=?)' in plan(path, "late = 'x'")
    assert select(path, "SELECT route FROM flights WHERE late = 'x'") == [("route#1",)]


def test_rows_that_change_and_go_are_found_where_they_are(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    accelerator.apply(batch(range(100)), checkpoint(1))
    accelerator.maintain(idle=True)

    accelerator.apply(batch(range(0, 100, 2), 2, dead=[1, 3], note="late"), checkpoint(2))

    count = "SELECT count(*) FROM flights WHERE note = '{}'"
    assert select(path, count.format("late")) == [(50,)]
    assert select(path, count.format("as planned")) == [(48,)]
    assert accelerator.row_count() == 98
    assert select(path, "PRAGMA integrity_check") == [("ok",)]


def test_indexes_follow_what_is_wanted_and_are_left_alone_by_those_who_want_nothing(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    accelerator.apply(batch(range(3)), checkpoint(1))
    accelerator.maintain(idle=True)

    accelerator.layout = Layout()
    accelerator.maintain(idle=True)
    assert len(names(path)) == 2

    accelerator.layout = Layout(indexes=(BY_VERSION,))
    accelerator.maintain(idle=True)
    assert names(path) == ['["version"]']

    accelerator.layout = Layout(indexes=())
    accelerator.maintain(idle=True)
    assert names(path) == []


def test_a_snapshot_carries_the_indexes_and_a_restored_file_knows_them(
    accelerator: SqliteAccelerator, path: Path, tmp_path: Path
) -> None:
    accelerator.apply(batch(range(10)), checkpoint(1))
    accelerator.maintain(idle=True)
    with accelerator.freeze() as image:
        copy = copy_of(image, tmp_path / "restored")

    restored = SqliteAccelerator.open(copy, "flights", keys=None, create=False)
    restored.layout = Layout(indexes=(BY_NOTE, BY_VERSION))
    restored.apply(batch([1], 2, note="late"), checkpoint(2))
    restored.maintain(idle=True)

    assert names(copy) == ['["note","version"]', '["version"]']
    assert '_snowmelt_by:["version"]' in plan(copy, "version = 2")
    assert select(copy, "SELECT route FROM flights WHERE version = 2") == [("route#1",)]
    restored.close()
