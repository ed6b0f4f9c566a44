"""DuckDB's deltas and base: what is folded and sorted when, and that no step loses a change."""

from pathlib import Path

import pytest

from cdc import duckdb_upkeep
from cdc.duckdb_accelerator import DuckdbAccelerator
from tests.cdc.duckdb_files import inside, opened
from tests.contracts.accelerator import (
    BY_ID,
    Producer,
    contents,
    copy_out,
    item,
    opened_plainly,
    stored_text,
)


def is_sorted(accelerator: DuckdbAccelerator) -> bool:
    found = inside(accelerator, "SELECT _h FROM _snowmelt.base")
    return found == sorted(found)


def delta_rows(accelerator: DuckdbAccelerator) -> int:
    ((rows,),) = inside(
        accelerator,
        "SELECT (SELECT count(*) FROM _snowmelt.delta_a)"
        " + (SELECT count(*) FROM _snowmelt.delta_b)",
    )
    return int(rows)


def test_base_is_sorted_by_identity_once_the_scan_has_ended(
    accelerator: DuckdbAccelerator,
) -> None:
    producer = Producer(accelerator)
    producer.scan(*(item(i) for i in range(5003)))
    accelerator.maintain(idle=True)
    assert not is_sorted(accelerator)

    producer.end_scan()
    producer.put(item("17", changed=True), item("00000"))
    accelerator.maintain(idle=True)

    assert is_sorted(accelerator)
    assert delta_rows(accelerator) == 0
    assert contents(accelerator) == producer.expected


def test_a_busy_delta_is_folded_only_when_it_is_large(
    accelerator: DuckdbAccelerator, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_upkeep, "FOLD_ROWS", 100)
    producer.put(*(item(i, n=1) for i in range(99)))
    assert accelerator.maintain(idle=False).folded_rows == 0

    producer.put(item("one more"))
    assert accelerator.maintain(idle=False).folded_rows == 100
    assert contents(accelerator) == producer.expected


def test_a_few_items_that_change_all_the_time_do_not_fill_the_delta(
    accelerator: DuckdbAccelerator, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_upkeep, "FOLD_ROWS", 100)
    producer.put(*(item(i) for i in range(10)))
    folded = 0
    for turn in range(50):
        producer.put(*(item(i, n=turn) for i in range(1, 10)))
        folded += accelerator.maintain(idle=False).folded_rows

    assert folded >= 3 * 9
    assert contents(accelerator) == producer.expected


@pytest.mark.parametrize("run_rows, last", [(100, 11), (10, 4)])
def test_base_is_sorted_again_when_half_of_it_was_folded_in_or_a_quarter_in_many_runs(
    accelerator: DuckdbAccelerator,
    producer: Producer,
    monkeypatch: pytest.MonkeyPatch,
    run_rows: int,
    last: int,
) -> None:
    monkeypatch.setattr(duckdb_upkeep, "FOLD_ROWS", run_rows)
    producer.put(*(item(i) for i in range(1000)))
    accelerator.maintain(idle=True)
    for turn in range(1, last + 1):
        producer.put(*(item(f"0{turn:02}{i:02}") for i in range(100)))
        accelerator.maintain(idle=True)
        assert is_sorted(accelerator) is (turn == last)

    assert contents(accelerator) == producer.expected


def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_upkeep, "FOLD_ROWS", 100)
    monkeypatch.setattr(duckdb_upkeep, "FOLD_STEP_ROWS", 10)
    monkeypatch.setattr(duckdb_upkeep, "SORT_STEP_ROWS", 50)
    monkeypatch.setattr(duckdb_upkeep, "FIRST_SORT_STEP_ROWS", 80)


def test_changes_between_any_two_steps_of_upkeep_are_kept(
    tmp_path: Path,
    accelerator: DuckdbAccelerator,
    producer: Producer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_steps(monkeypatch)
    producer.put(*(item(i, n=0) for i in range(400)))
    seen = set()
    for turn in range(36):
        producer.change(
            [item((turn * 7 + i) % 420, n=turn, **{f"new{turn // 12}": "x"}) for i in range(4)],
            [item((turn * 11 + 5) % 420)],
        )
        state = accelerator._held.state
        seen.add((state.active, state.frozen_rows > 0, state.is_sorting))
        assert contents(accelerator) == producer.expected
        assert all(accelerator.read(item(i)) is not None for i in (1, 7)) is (
            {BY_ID.identity(item(i)) for i in (1, 7)} <= producer.expected.keys()
        )
        if turn % 5 == 0:
            with accelerator.freeze() as image:
                copy = copy_out(image, tmp_path / f"{turn}.db")
            stored = (stored_text(image.checkpoint), len(producer.expected))
            assert opened_plainly("duckdb", copy) == stored
        accelerator.maintain(idle=False)

    assert {True, False} == {frozen for _, frozen, _ in seen} == {sorting for *_, sorting in seen}
    assert {"a", "b"} == {active for active, *_ in seen}


def test_upkeep_that_was_left_at_any_step_is_gone_on_with(
    tmp_path: Path, accelerator: DuckdbAccelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_steps(monkeypatch)
    producer = Producer(accelerator, scan_ended_at=1000.0)
    producer.put(*(item(i, n=0) for i in range(300)))
    for number in range(100):
        pending = accelerator.maintain(idle=False).is_pending
        with accelerator.freeze() as image:
            copy = copy_out(image, tmp_path / f"{number}.db")
        again = opened(copy)
        assert contents(again) == producer.expected
        while again.maintain(idle=False).is_pending:
            pass
        assert is_sorted(again)
        assert contents(again) == producer.expected
        again.close()
        if not pending:
            break
    assert number >= 4


def test_nothing_is_folded_before_the_scan_has_ended(accelerator: DuckdbAccelerator) -> None:
    producer = Producer(accelerator)
    producer.scan(item("a"))
    producer.delete(item("b"))

    assert accelerator.maintain(idle=True).folded_rows == 0
    producer.scan(item("b"))
    assert accelerator.read(item("b")) is None


def test_what_changes_while_older_changes_are_folded_is_found_by_its_key(
    accelerator: DuckdbAccelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer(accelerator)
    producer.scan(item("a", price=1), item("b", price=1))
    producer.end_scan()
    while accelerator.maintain(idle=True).is_pending:
        pass
    monkeypatch.setattr(duckdb_upkeep, "FOLD_ROWS", 1)
    assert accelerator.read(item("a")) == item("a", price=1)  # from now on it is known what changes

    producer.put(item("a", price=2))  # is frozen at once
    producer.put(item("b", price=3))
    assert accelerator.maintain(idle=False).folded_rows == 1

    assert delta_rows(accelerator) == 1
    assert accelerator.read(item("a")) == item("a", price=2)
    assert accelerator.read(item("b")) == item("b", price=3)
    found = accelerator._held.changed
    assert not any(found.has(delta, BY_ID.identity(item("a"))) for delta in ("a", "b"))
