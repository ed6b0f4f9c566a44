"""What the engine remembers of buffers that are no more: let go of now and then, harming nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdc import duckdb_accelerator, duckdb_pool
from cdc.duckdb_accelerator import DuckdbAccelerator
from cdc.engines import open_accelerator
from tests.cdc.duckdb_files import inside
from tests.restorer.accelerators import DATASET, KEYS, Row, batch_of, rows_of
from tests.snapshotter.images import checkpoint

LEAST_NODES = 500
KEYS_CHANGED = 100
Open = Callable[..., DuckdbAccelerator]


@pytest.fixture
def open_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a file whose every change is followed by a checkpoint, so that a look is soon due."""
    monkeypatch.setattr(duckdb_accelerator, "CHECKPOINT_WAL_BYTES", 1)
    monkeypatch.setattr(duckdb_pool, "LEAST_NODES", LEAST_NODES)
    made: list[DuckdbAccelerator] = []

    def opening(memory_limit: str | None = None) -> DuckdbAccelerator:
        found = open_accelerator(
            "duckdb",
            tmp_path / "file.db",
            DATASET,
            keys=KEYS,
            create=True,
            memory_limit=memory_limit,
        )
        assert isinstance(found, DuckdbAccelerator)
        made.append(found)
        return found

    yield opening
    for file in made:
        file.close()


def change(file: DuckdbAccelerator, times: int) -> None:
    """The same items again and again."""
    for _ in range(times):
        held = file.checkpoint()
        version = held.version + 1 if held else 1
        file.apply(batch_of(rows_of(0, KEYS_CHANGED, version)), checkpoint(1000.0, version))
        assert file.maintain(idle=False).checkpointed


def rows(file: DuckdbAccelerator) -> list[Row]:
    return inside(file, f'SELECT id, amount, note FROM "{DATASET}" ORDER BY id')


def nodes(file: DuckdbAccelerator) -> tuple[int, int]:
    """How many are held, and how many ever came."""
    ((held, came),) = inside(
        file,
        "SELECT sum(approximate_size)::BIGINT, sum(total_insertions)::BIGINT"
        " FROM duckdb_eviction_queues()",
    )
    return held, came


def limit(file: DuckdbAccelerator) -> str:
    ((text,),) = inside(file, "SELECT current_setting('memory_limit')")
    return str(text)


def cached(file: DuckdbAccelerator) -> int:
    ((size,),) = inside(
        file, "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
    )
    return int(size)


def test_what_buffers_leave_behind_is_let_go_of(open_file: Open) -> None:
    file = open_file()
    change(file, 40)

    held, came = nodes(file)
    assert came > 6 * LEAST_NODES
    assert held < 3 * LEAST_NODES
    assert rows(file) == rows_of(0, KEYS_CHANGED, 40)


@pytest.mark.parametrize("memory_limit", [None, "500MB"])
def test_memory_is_limited_as_before_and_nothing_is_spilled(
    open_file: Open, memory_limit: str | None
) -> None:
    file = open_file(memory_limit)
    before = limit(file)
    change(file, 40)

    held, came = nodes(file)
    assert held < came, "it was not put to the test"
    assert limit(file) == before
    assert not list(file.path.parent.glob("*.tmp/*"))


def test_a_query_that_runs_keeps_its_buffers(
    open_file: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_pool, "CACHED_BYTES_OF_ONE", 1_000)
    file = open_file()
    change(file, 1)
    with file._database.cursor() as cursor:
        cursor.execute("SELECT range FROM range(300000)")
        change(file, 40)

        held, came = nodes(file)
        assert held > came // 2
        assert len(cursor.fetchall()) == 300_000
    change(file, 8)
    assert nodes(file)[0] < held


def test_what_is_cached_stays_where_it_weighs_more_than_what_is_dead(open_file: Open) -> None:
    file = open_file()
    scanned = checkpoint(1000.0, 1, finished=False)
    file.append_scan(batch_of(rows_of(0, 60_000, 1)), scanned)
    change(file, 1)
    assert len(rows(file)) == 60_000
    before = cached(file)
    change(file, 16)

    held, _ = nodes(file)
    assert LEAST_NODES < held < before // (8 * 200)
    assert cached(file) >= before // 2
