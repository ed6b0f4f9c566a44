"""What the SQLite accelerator does beyond the contract that all engines share."""

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cdc import checkpoint as checkpoints
from cdc import sqlite_checkpointer, sqlite_file
from cdc import sqlite_schema as schema
from cdc.accelerator import QueryLimits
from cdc.columns import Column, Columns
from cdc.errors import FileUnusable
from cdc.sqlite_accelerator import SqliteAccelerator
from cdc.sqlite_checkpointer import LOG_LIMIT_BYTES
from tests.cdc.sqlite_rows import COLUMNS, KEYS, batch, batch_of, checkpoint, key, select


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flights.db"


@pytest.fixture
def accelerator(path: Path) -> Iterator[SqliteAccelerator]:
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    yield accelerator
    accelerator.close()


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(
    "column,value,kind",
    [
        (Column("x", "text"), "a\0b", "text"),
        (Column("x", "text"), "", "text"),
        (Column("x", "text"), "007", "text"),
        (Column("x", "text"), "e\u0301 \U0001f6eb \ufffe \u202e", "text"),
        (Column("x", "integer"), -(2**63), "integer"),
        (Column("x", "integer"), 2**63 - 1, "integer"),
        (Column("x", "decimal", 18), "12345678901234567890.123456789012345678", "text"),
        (Column("x", "boolean"), True, "integer"),
        (Column("x", "binary"), b"\0\xff'", "blob"),
        (Column("x", "binary"), b"", "blob"),
        (Column("x", "json"), '{"n":0.1000000000000000000000000001}', "text"),
    ],
)
def test_a_cell_keeps_its_type_and_every_bit(
    accelerator: SqliteAccelerator, path: Path, column: Column, value: Any, kind: str
) -> None:
    columns = Columns((column,))
    accelerator.apply(batch_of(columns, [{"_h": b"0" * 16, "x": value}]), checkpoint(1))

    assert select(path, "SELECT typeof(x), x FROM flights") == [(kind, value)]


def test_columns_with_hostile_names_are_ordinary_columns(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    names = ['a"b', "a'b", "select", "a b;--", "[x]", "ünï", "1st", "version"]
    columns = Columns(tuple(Column(name, "text") for name in names))
    row = {"_h": b"0" * 16, **{name: name.upper() for name in names}}
    accelerator.apply(batch_of(columns, [row]), checkpoint(1))

    assert select(path, "SELECT * FROM flights") == [(*(name.upper() for name in names), None)]


def test_a_batch_of_other_types_than_the_contracts_is_refused_and_leaves_nothing(
    accelerator: SqliteAccelerator,
) -> None:
    accelerator.apply(batch([1]), checkpoint(1))
    wrong = batch([2])
    place = wrong.rows.schema.get_field_index("leg")
    rows = wrong.rows.set_column(place, "leg", pa.array(["2"]))

    with pytest.raises(ValueError, match="the batch's rows are"):
        accelerator.apply(replace(wrong, rows=rows), checkpoint(2))

    assert accelerator.row_count() == 1
    accelerator.apply(batch([2]), checkpoint(2))
    assert accelerator.row_count() == 2


# ---------------------------------------------------------------- columns


def test_columns_that_come_later_are_in_the_view_with_their_commit(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    accelerator.apply(batch([1]), checkpoint(1))
    grown = COLUMNS.added([Column("gate", "text")])
    row = {"_h": KEYS.identity(key(2)), "route": "route#2", "leg": 2, "gate": "B7"}
    accelerator.apply(batch_of(grown, [row]), checkpoint(2))

    assert select(path, "SELECT leg, gate FROM flights ORDER BY leg") == [(1, None), (2, "B7")]
    assert accelerator.columns() == grown


def test_a_commit_that_fails_adds_no_column(accelerator: SqliteAccelerator, path: Path) -> None:
    grown = COLUMNS.added([Column("gate", "text")])
    failing = replace(batch_of(grown, []), misfits={"gate": object()})  # type: ignore[dict-item]

    with pytest.raises(FileUnusable):
        accelerator.apply(failing, checkpoint(1))

    assert len(accelerator.columns()) == 0
    accelerator.apply(batch_of(grown, []), checkpoint(1))
    assert select(path, "SELECT gate FROM flights") == []


def test_columns_that_contradict_the_files_are_refused(accelerator: SqliteAccelerator) -> None:
    accelerator.apply(batch([1]), checkpoint(1))
    other = Columns((Column("leg", "text"), Column("route", "text")))

    with pytest.raises(ValueError, match="do not continue"):
        accelerator.apply(batch_of(other, []), checkpoint(2))


def test_a_batch_that_knows_fewer_columns_empties_the_others(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    accelerator.apply(batch([1]), checkpoint(1))
    fewer = Columns(COLUMNS.all[:2])
    row = {"_h": KEYS.identity(key(1)), "route": "route#1", "leg": 1}
    accelerator.apply(batch_of(fewer, [row]), checkpoint(2))

    assert select(path, "SELECT * FROM flights") == [("route#1", 1, None, None, None)]


# ---------------------------------------------------------------- key index


def test_plain_sql_finds_a_key_by_an_index(accelerator: SqliteAccelerator, path: Path) -> None:
    accelerator.apply(batch(range(10)), checkpoint(1))

    plan = select(
        path, "EXPLAIN QUERY PLAN SELECT * FROM flights WHERE route = 'route#1' AND leg = 1"
    )
    assert "USING INDEX _snowmelt_key (route=? AND leg=?)" in plan[0][3]


def test_the_index_is_made_by_the_commit_that_ends_the_scan(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    found = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name = '_snowmelt_key'"
    accelerator.append_scan(batch(range(10)), checkpoint(1, scan_ended_at=None))
    accelerator.apply(batch([3, 11], dead=[4]), checkpoint(2, scan_ended_at=None))
    assert select(path, found) == [(0,)]

    accelerator.append_scan(batch([4, 12]), checkpoint(3, scan_ended_at=1.0))

    assert select(path, found) == [(1,)]
    by_index = "SELECT leg FROM _snowmelt_rows INDEXED BY _snowmelt_key WHERE route > ''"
    assert sorted(select(path, by_index)) == [(leg,) for leg in (*range(4), *range(5, 10), 11, 12)]


def test_a_row_whose_key_cells_changed_is_written_in_full(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    identity = KEYS.identity(key(1))
    accelerator.apply(
        batch_of(COLUMNS, [{"_h": identity, "leg": 1, "_rest": '{"route":{"S":"route#1"}}'}]),
        checkpoint(1),
    )
    accelerator.apply(batch([1, 2], version=2), checkpoint(2))

    assert select(path, "SELECT route, leg, _rest FROM flights ORDER BY leg") == [
        ("route#1", 1, None),
        ("route#2", 2, None),
    ]
    assert accelerator.row_count() == 2


def test_key_columns_that_come_after_rows_get_no_index_and_are_right(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    identity = KEYS.identity(key(1))
    accelerator.apply(batch_of(Columns(), [{"_h": identity, "_rest": "{}"}]), checkpoint(1))
    accelerator.apply(batch([1], version=2), checkpoint(2))

    assert select(path, "SELECT route, version, _rest FROM flights") == [("route#1", 2, None)]
    assert select(
        path, "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name = '_snowmelt_key'"
    ) == [(0,)]


# ---------------------------------------------------------------- counting and scanning


def test_the_row_count_is_exact_after_any_mix_of_commits(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    chance = random.Random(7)
    for version in range(1, 40):
        numbers = chance.sample(range(60), 20)
        ended = None if version < 20 else 1.0
        if version < 20 and chance.random() < 0.4:
            accelerator.append_scan(batch(numbers), checkpoint(version, scan_ended_at=None))
        else:
            accelerator.apply(
                batch(numbers[:10], version, dead=numbers[10:]),
                checkpoint(version, scan_ended_at=ended),
            )
        ((rows,),) = (
            select(path, "SELECT count(*) FROM flights") if version % 8 == 0 else ((None,),)
        )
        assert rows is None or rows == accelerator.row_count()
    assert select(path, "SELECT count(*) FROM flights") == [(accelerator.row_count(),)]


@pytest.mark.parametrize("count", [1, 7, 8, 63, 64, 65, 137, 300])
def test_rows_are_written_alike_however_many_go_with_one_statement(
    accelerator: SqliteAccelerator, path: Path, count: int
) -> None:
    accelerator.append_scan(batch(range(count), 1), checkpoint(2, scan_ended_at=None))
    accelerator.apply(batch((), dead=[count]), checkpoint(3, scan_ended_at=None))
    accelerator.append_scan(batch(range(2 * count), 2), checkpoint(4, scan_ended_at=None))
    accelerator.apply(batch(range(0, count, 2), 3), checkpoint(5))
    accelerator.apply(batch((), 4, dead=range(1, count, 2)), checkpoint(6))

    scanned = [(leg, 1 if leg < count else 2) for leg in range(2 * count) if leg != count]
    expected = [
        (leg, version if leg >= count else 3)
        for leg, version in scanned
        if leg >= count or leg % 2 == 0
    ]
    assert select(path, "SELECT leg, version FROM flights ORDER BY leg") == expected
    assert accelerator.row_count() == len(expected)


def test_wide_rows_go_with_statements_that_the_engine_takes() -> None:
    wide = Columns(tuple(Column(f"c{number}", "text") for number in range(600)))
    widest = Columns(tuple(Column(f"c{number}", "text") for number in range(20_000)))

    assert list(schema.groups(COLUMNS)) == [64, 8, 1]
    assert list(schema.groups(wide)) == [8, 1]
    assert list(schema.groups(widest)) == [1]


def test_tombstones_are_forgotten_by_the_commit_that_ends_the_scan(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    accelerator.apply(batch([], dead=[1]), checkpoint(1, scan_ended_at=None))
    assert select(path, "SELECT count(*) FROM _snowmelt_tombstones") == [(1,)]

    accelerator.append_scan(batch([1, 2]), checkpoint(2, scan_ended_at=5.0))

    assert select(path, "SELECT count(*) FROM _snowmelt_tombstones") == [(0,)]
    assert select(path, "SELECT leg FROM flights") == [(2,)]


def test_the_scan_is_still_open_after_the_file_was_opened_again(path: Path) -> None:
    first = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    first.apply(batch([], dead=[1]), checkpoint(1, scan_ended_at=None))
    first.close()
    second = SqliteAccelerator.open(path, "flights", keys=None, create=False)
    second.append_scan(batch([1]), checkpoint(2, scan_ended_at=None))
    rows = second.row_count()
    second.close()

    assert rows == 0


# ---------------------------------------------------------------- the log


def test_no_commit_moves_the_log_by_itself(accelerator: SqliteAccelerator, path: Path) -> None:
    before = path.stat()
    for version in range(1, 15):
        accelerator.apply(batch(range(500), version, note="x" * 1000), checkpoint(version))

    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert Path(f"{path}-wal").stat().st_size > 1000 * 4096  # where SQLite would have begun


def test_the_log_is_moved_when_it_is_large_or_nothing_happens(
    accelerator: SqliteAccelerator,
) -> None:
    accelerator.apply(batch(range(100)), checkpoint(1))
    small = accelerator.maintain(idle=False)
    idle = accelerator.maintain(idle=True)
    accelerator.apply(batch(range(20_000), note="x" * 400), checkpoint(2))
    large = accelerator.maintain(idle=False)
    _wait_for_the_log(accelerator)
    accelerator.apply(batch(range(10), 3), checkpoint(3))
    anew = accelerator.maintain(idle=False)

    assert (small.checkpointed, idle.checkpointed) == (False, True)
    assert idle.wal_bytes == 0 < small.wal_bytes
    assert anew.wal_bytes < 1024 * 1024 < LOG_LIMIT_BYTES < large.wal_bytes


def _wait_for_the_log(accelerator: SqliteAccelerator) -> None:
    """Until all of it was moved beside commits."""
    end = time.monotonic() + 90
    while (state := accelerator._index.state()) is None or not state.main_is_complete:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_goes_wrong_beside_commits_is_told_by_the_next_upkeep(
    accelerator: SqliteAccelerator,
) -> None:
    accelerator.apply(batch(range(20_000), note="x" * 400), checkpoint(1))
    accelerator._checkpointer._mover.close()
    accelerator.maintain(idle=False)
    moving = accelerator._checkpointer._moving
    assert moving is not None
    wait([moving])

    with pytest.raises(FileUnusable, match="moving the log into the file"):
        accelerator.maintain(idle=False)


def test_a_reader_in_the_way_delays_the_log_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 60.0)
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    accelerator.apply(batch(range(100)), checkpoint(1))
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM flights").fetchone()
    accelerator.apply(batch(range(100), 2), checkpoint(2))

    started = time.monotonic()
    blocked = accelerator.maintain(idle=True)
    accelerator.apply(batch(range(100), 3), checkpoint(3))
    seconds = time.monotonic() - started
    reader.close()

    assert not blocked.checkpointed
    assert seconds < 50  # who waits for a reader, waits 60 s
    assert accelerator.maintain(idle=True).wal_bytes == 0
    accelerator.close()


def test_three_readers_that_never_pause_do_not_let_the_log_grow_for_ever(
    accelerator: SqliteAccelerator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_checkpointer, "LOG_ALARM_BYTES", 32 * 1024 * 1024)
    # On a busy machine a read takes longer than commits otherwise wait for it.
    monkeypatch.setattr(sqlite_checkpointer, "_DRAIN_SECONDS", 60.0)
    stop = threading.Event()
    reads = []
    sql = "SELECT count(*), max(note) FROM flights WHERE note > ''"

    def read() -> None:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        while not stop.is_set():
            reads.append(connection.execute(sql).fetchall())
        connection.close()

    accelerator.apply(batch(range(5000), note="x" * 2000), checkpoint(1))
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    sizes = []
    for version in range(2, 17):
        accelerator.apply(batch(range(5000), version, note="y" * 2000), checkpoint(version))
        sizes.append(accelerator.maintain(idle=False).wal_bytes)
    stop.set()
    for reader in readers:
        reader.join()

    assert len(reads) > 3
    assert max(sizes) < 64 * 1024 * 1024
    assert any(later < earlier for earlier, later in pairwise(sizes)), sizes  # begun anew


# ---------------------------------------------------------------- ends


def test_a_closed_accelerator_says_so(path: Path) -> None:
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    accelerator.close()
    accelerator.close()

    for call in (
        accelerator.checkpoint,
        lambda: accelerator.apply(batch([1]), checkpoint(1)),
        lambda: accelerator.maintain(idle=True),
        lambda: accelerator.maintain(idle=False),
        lambda: list(accelerator.items()),
        lambda: accelerator.freeze().__enter__(),
    ):
        with pytest.raises(FileUnusable, match="closed"):
            call()


def test_an_iterator_that_nobody_advances_does_not_keep_the_file_open(path: Path) -> None:
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    accelerator.apply(batch(range(100)), checkpoint(1))
    pages = accelerator.items(page_rows=10)
    assert len(next(pages)) == 10
    accelerator.close()

    assert not Path(f"{path}-wal").exists()
    with pytest.raises(FileUnusable):
        next(pages)


def test_closing_leaves_one_file_and_the_lock(path: Path) -> None:
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    accelerator.apply(batch([1]), checkpoint(1))
    accelerator.query("SELECT * FROM flights", QueryLimits())
    accelerator.close()

    assert sorted(file.name for file in path.parent.iterdir()) == ["flights.db", "flights.db.lock"]


def test_a_quarantined_record_is_kept_once_and_counted_once(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    from cdc.batch import Poison

    poison = (Poison("shard-1", "1", "lone surrogate", b"\xed\xa0\x80"),)
    for version in (1, 2):
        accelerator.apply(
            replace(batch([]), poison=poison, misfits={"note": 2}), checkpoint(version)
        )

    assert accelerator.counters() == {"quarantined": 1, "misfit:note": 4}
    assert select(path, "SELECT shard_id, raw FROM _snowmelt_quarantine") == [
        ("shard-1", b"\xed\xa0\x80")
    ]


def test_the_checkpoint_is_stored_as_the_text_of_its_codec(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    accelerator.apply(batch([1]), checkpoint(1))

    assert select(path, "SELECT checkpoint FROM _snowmelt_checkpoint") == [
        (checkpoints.encode(checkpoint(1)),)
    ]
