"""The newest of changes whose times do not tell: one path of images, or a look at the table."""

import sqlite3
from collections.abc import Iterator

import msgspec
import pytest

from cdc.keys import Item
from cdc.ordering import HELD, Step, comparable, newest
from cdc.ordering_counts import Dropped
from cdc.records import StreamRecord
from tests.cdc.ordering_file import BEGAN, File, Table, opened, record
from tests.simulators.change_documents import Change, Changes

A, B, C, D = ({"v": {"S": letter}} for letter in "abcd")
KEY = {"id": {"S": "a"}}


# ---------------------------------------------------------------- the rule


def test_the_last_on_the_path_of_images_is_the_newest() -> None:
    assert newest([Step(1, B, C), Step(0, A, B), Step(2, C, None)]) == 2


def test_a_held_change_takes_part_in_the_path() -> None:
    assert newest([Step(0, A, B), Step(HELD, B, C)]) == HELD


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([Step(0, A, B), Step(1, C, D)], id="a step between is missing"),
        pytest.param([Step(0, A, B), Step(1, A, C)], id="both begin with the same image"),
        pytest.param([Step(0, A, C), Step(1, B, C)], id="both leave the same image"),
        pytest.param([Step(0, A, B), Step(1, B, A)], id="there and back"),
        pytest.param([Step(0, A, B), Step(1, C, D), Step(2, D, C)], id="a ring beside a step"),
    ],
)
def test_images_that_are_not_one_path_tell_nothing(steps: list[Step]) -> None:
    assert newest(steps) is None


def test_images_are_compared_by_value() -> None:
    one: Item = {"n": {"N": "1.50"}, "s": {"SS": ["b", "a"]}}
    other: Item = {"s": {"SS": ["a", "b"]}, "n": {"N": "1.5"}}

    assert comparable(one) == comparable(other)
    assert newest([Step(0, comparable(one), A), Step(1, B, comparable(other))]) == 0


# ---------------------------------------------------------------- in a file


@pytest.fixture
def file() -> Iterator[File]:
    with opened("sqlite") as made:
        yield made


def history(file: File, *values: int | None, step_us: int = 1_000) -> list[Change]:
    """Changes of item `a`; the table is read as it is after them."""
    changes = Changes("routes", now_us=BEGAN * 1_000_000, step_us=step_us)
    file.table = Table(changes)
    for value in values:
        if value is None:
            changes.delete(KEY)
        else:
            changes.put({**KEY, "v": {"N": str(value)}})
    return changes.log


def value(file: File) -> str | None:
    item = file.item("a")
    return None if item is None else item["v"]["N"]


def test_a_change_that_comes_again_is_dropped_and_counted(file: File) -> None:
    (change,) = history(file, 1)
    file.commit(record(change), record(change))
    file.commit(record(change))

    assert file.sifter.dropped == Dropped(duplicates=2)


def test_a_change_behind_a_newer_one_is_late(file: File) -> None:
    first, second = history(file, 1, 2)
    file.commit(record(second))
    file.commit(record(first))

    assert value(file) == "2"
    assert file.sifter.dropped == Dropped(late=1)


def test_what_was_deleted_stays_deleted_when_its_making_comes_again(file: File) -> None:
    made, gone = history(file, 1, None)
    file.commit(record(made), record(gone))
    file.commit(record(made))

    assert value(file) is None
    assert file.table is not None
    assert file.table.reads == 0


def test_a_change_from_before_the_scan_is_never_taken(file: File) -> None:
    changes = Changes("routes", now_us=(BEGAN - 301) * 1_000_000, step_us=2_000_000)
    changes.put({**KEY, "v": {"N": "1"}})
    changes.put({**KEY, "v": {"N": "2"}})
    before, after = changes.log

    file.commit(record(before))
    assert value(file) is None
    file.commit(record(after))
    assert value(file) == "2"
    assert file.sifter.dropped == Dropped(late=1)


def test_a_tie_across_batches_is_told_by_the_row_in_the_file(file: File) -> None:
    first, second = history(file, 1, 2, step_us=0)
    file.commit(record(first))
    file.commit(record(second))

    assert value(file) == "2"
    assert file.sifter.dropped == Dropped(by_images=1)


def test_a_tie_across_batches_in_the_wrong_order_keeps_the_row(file: File) -> None:
    first, second = history(file, 1, 2, step_us=0)
    file.commit(record(second))
    file.commit(record(first))

    assert value(file) == "2"
    assert file.sifter.dropped == Dropped(by_images=1)


def test_a_duplicate_of_one_of_several_changes_of_an_instant_asks_the_table(file: File) -> None:
    history(file, 1)
    changes = Changes("routes", now_us=BEGAN * 1_000_000 + 5_000, step_us=0)
    changes.put({**KEY, "v": {"N": "1"}})
    changes.put({**KEY, "v": {"N": "2"}})
    changes.put({**KEY, "v": {"N": "3"}})
    file.table = Table(changes)
    made, second, third = changes.log
    file.commit(record(made), record(second), record(third))
    file.commit(record(second))

    assert value(file) == "3"
    assert file.sifter.dropped == Dropped(by_images=1, by_table=1)


def test_what_the_table_knew_when_it_was_read_is_late_afterwards(file: File) -> None:
    changes = history(file, 1, 2, 1, step_us=0)
    assert file.table is not None
    file.table.lag_us = 3_000_000
    file.commit(*(record(change) for change in changes))
    known = Change(
        "routes", KEY, None, {**KEY, "v": {"N": "9"}}, BEGAN * 1_000_000 + 1_000_000, "9"
    )
    file.commit(record(known))

    assert value(file) == "1"
    assert file.sifter.dropped == Dropped(by_table=1, late=1)


def test_a_change_in_milliseconds_competes_with_all_of_its_millisecond(file: File) -> None:
    first, second = history(file, 1, 2, step_us=300)
    file.commit(record(first))
    file.commit(record(second, in_ms=True))

    assert value(file) == "2"
    assert file.sifter.dropped == Dropped(by_table=1)


def test_images_of_changes_in_two_units_are_no_path(file: File) -> None:
    """The change between is older than the last one by time, so it would not be on the path."""
    made, changed, gone = history(file, 1, 2, None, step_us=1)
    file.commit(record(made, in_ms=True), record(changed), record(gone))

    assert value(file) is None
    assert file.sifter.dropped == Dropped(by_table=1)


# ---------------------------------------------------------------- what is put aside


def test_what_is_no_change_is_kept_with_its_reason() -> None:
    with opened("sqlite") as file:
        file.commit(REFUSED)

        assert quarantined(file) == [("shard", "7", "not a document", b'{"ssn": 1}')]


def test_what_is_no_change_is_not_quoted_where_attributes_are_excluded() -> None:
    with opened("sqlite", excluded=frozenset({"ssn"})) as file:
        file.commit(REFUSED)

        ((shard, sequence, reason, raw),) = quarantined(file)
        assert (shard, sequence, raw) == ("shard", "7", b"")
        assert "excluded" in reason


def test_ties_are_told_without_attributes_that_are_excluded() -> None:
    with opened("sqlite", excluded=frozenset({"ssn"})) as file:
        changes = Changes("routes", now_us=BEGAN * 1_000_000, step_us=0)
        changes.put({**KEY, "v": {"N": "1"}, "ssn": {"S": "x"}})
        changes.put({**KEY, "v": {"N": "2"}, "ssn": {"S": "y"}})
        first, second = changes.log
        file.commit(record(first))
        file.commit(record(second))

        assert file.item("a") == {**KEY, "v": {"N": "2"}}
        assert file.sifter.dropped == Dropped(by_images=1)


REFUSED = StreamRecord(
    "MODIFY", "7", float(BEGAN), msgspec.Raw(b'{"ssn": 1}'), refused="not a document"
)


def quarantined(file: File) -> list[tuple[str, str, str, bytes]]:
    connection = sqlite3.connect(file.accelerator.path)
    rows = connection.execute(
        "SELECT shard_id, sequence, reason, raw FROM _snowmelt_quarantine"
    ).fetchall()
    connection.close()
    return rows
