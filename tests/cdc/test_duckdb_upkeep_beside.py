"""DuckDB's upkeep on a thread of its own, beside commits, lookups and freezes: nothing is lost."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdc import duckdb_sql, duckdb_upkeep
from cdc.accelerator import Maintenance
from cdc.columns import Columns
from cdc.duckdb_accelerator import DuckdbAccelerator
from tests.contracts.accelerator import (
    BY_ID,
    Producer,
    contents,
    copy_out,
    item,
    opened_plainly,
    stored_text,
)

PATIENCE = 60.0
TURNS = 80


@contextmanager
def going_on(work: Callable[[], object]) -> Iterator[None]:
    """`work` again and again in a thread, until the block ends; what it raised is raised."""
    is_over = threading.Event()

    def repeat() -> None:
        while not is_over.is_set():
            work()

    with ThreadPoolExecutor(1) as pool:
        repeating: Future[None] = pool.submit(repeat)
        try:
            yield
        finally:
            is_over.set()
        repeating.result(PATIENCE)


def test_changes_lookups_and_freezes_beside_any_step_find_all_rows(
    tmp_path: Path,
    accelerator: DuckdbAccelerator,
    producer: Producer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, rows in {"FOLD": 60, "FOLD_STEP": 10, "SORT_STEP": 50, "FIRST_SORT_STEP": 80}.items():
        monkeypatch.setattr(duckdb_upkeep, f"{name}_ROWS", rows)
    producer.put(*(item(i, n=0) for i in range(400)))
    seeded = random.Random(7)
    folded: list[int] = []
    with going_on(lambda: folded.append(accelerator.maintain(idle=False).folded_rows)):
        for turn in range(TURNS):
            changed, gone = seeded.sample(range(420), 9), turn * 11 % 420
            evolved = {f"new{turn // 27}": "x"}
            fresh = [item(i, n=turn, **evolved) for i in changed if i != gone]
            producer.change(fresh, [item(gone)])
            for i in changed:
                found = accelerator.read(item(i))
                assert found == producer.expected.get(BY_ID.identity(item(i)))
            if turn % 20 == 10:
                with accelerator.freeze() as image:
                    copy = copy_out(image, tmp_path / f"{turn}.db")
                stored = (stored_text(image.checkpoint), len(producer.expected))
                assert opened_plainly("duckdb", copy) == stored
        assert contents(accelerator) == producer.expected

    while accelerator.maintain(idle=True).is_pending:
        pass
    assert sum(folded) > 60
    assert contents(accelerator) == producer.expected


@dataclass
class Held:
    """A step of upkeep that stands still inside its transaction."""

    step: Future[Maintenance]
    may_go_on: threading.Event

    def goes_on(self) -> None:
        self.may_go_on.set()
        assert self.step.result(PATIENCE).folded_rows == 40


@pytest.fixture
def producer(accelerator: DuckdbAccelerator) -> Producer:
    return Producer(accelerator, scan_ended_at=1000.0)


@pytest.fixture
def held(
    accelerator: DuckdbAccelerator, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Held]:
    is_moving, may_go_on, statements = threading.Event(), threading.Event(), duckdb_sql.fold

    def standing_still(columns: Columns, frozen: str, where: str) -> Iterator[str]:
        *moves, last = statements(columns, frozen, where)
        yield from moves
        is_moving.set()
        assert may_go_on.wait(PATIENCE)
        yield last

    monkeypatch.setattr(duckdb_upkeep, "FOLD_ROWS", 20)
    monkeypatch.setattr(duckdb_sql, "fold", standing_still)
    producer.put(*(item(i, n=0) for i in range(40)))
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(accelerator.maintain, idle=False)
        assert is_moving.wait(PATIENCE)
        yield Held(step, may_go_on)
        may_go_on.set()


def test_a_commit_does_not_wait_for_rows_that_move(
    accelerator: DuckdbAccelerator, producer: Producer, held: Held
) -> None:
    producer.put(item(3, n=1), item("new"))
    producer.delete(item(4))
    assert contents(accelerator) == producer.expected

    held.goes_on()

    assert contents(accelerator) == producer.expected


def test_a_freeze_begins_when_no_row_is_on_its_way(
    tmp_path: Path, accelerator: DuckdbAccelerator, producer: Producer, held: Held
) -> None:
    with ThreadPoolExecutor(1) as pool:
        frozen = pool.submit(lambda: frozen_copy(accelerator, tmp_path))
        assert not wait([frozen], 0.2).done

        held.goes_on()

        assert frozen.result(PATIENCE) == len(producer.expected)


def frozen_copy(accelerator: DuckdbAccelerator, directory: Path) -> int:
    with accelerator.freeze() as image:
        return opened_plainly("duckdb", copy_out(image, directory / "copy.db"))[1]
