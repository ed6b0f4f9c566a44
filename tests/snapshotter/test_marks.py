"""What a person says of snapshots, as functions of pointers."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from snapshotter import catalog, marks
from snapshotter.errors import NoSuchSnapshot, NotOffered
from snapshotter.format import CATALOG_LIMIT, ROLLBACK_LIMIT, Fork, Pointer, Rollback
from tests.snapshotter.test_catalog import NEWEST_FIRST, entry

NEWEST, MIDDLE, OLDEST = (one.snapshot_id for one in NEWEST_FIRST)


def pointer(**changes: object) -> Pointer:
    made = Pointer(
        bucket_id="b",
        dataset="flights",
        generation=3,
        holder="node-1",
        attempt_id="a",
        lineage_id="l",
        current=NEWEST,
        catalog=NEWEST_FIRST,
        forks=(Fork(1, 0), Fork(3, 10)),
        heartbeat_at=1.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # what a test says


def quarantined(of: Pointer) -> list[str | None]:
    return [each.quarantined for each in of.catalog]


def test_a_pin_stays_until_it_is_taken_away() -> None:
    pinned = marks.pin(pointer(), MIDDLE, "the audit")

    assert [each.pinned for each in pinned.catalog] == [None, "the audit", None]
    assert marks.unpin(pinned, MIDDLE) == pointer()


def test_a_quarantine_is_lifted() -> None:
    bad = marks.quarantine(pointer(), NEWEST, "rows are missing")

    assert quarantined(bad) == ["rows are missing", None, None]
    assert bad.current == NEWEST
    assert catalog.newest_good(bad) == NEWEST_FIRST[1]
    assert marks.lift(bad, NEWEST) == pointer()


@pytest.mark.parametrize(
    "change",
    [
        lambda of: marks.pin(of, "id-7"),
        lambda of: marks.unpin(of, "id-7"),
        lambda of: marks.quarantine(of, "id-7"),
        lambda of: marks.lift(of, "id-7"),
        lambda of: marks.roll_back(of, "id-7"),
    ],
)
def test_a_snapshot_that_is_not_there_is_named(change: Callable[[Pointer], Pointer]) -> None:
    with pytest.raises(NoSuchSnapshot, match="flights has no snapshot id-7"):
        change(pointer())


@pytest.mark.parametrize(
    "change",
    [
        lambda of: marks.pin(of, MIDDLE, "x"),
        lambda of: marks.quarantine(of, OLDEST, "y"),
        lambda of: marks.roll_back(of, MIDDLE, "z"),
        lambda of: marks.hold(of, "w"),
        marks.release,
    ],
)
def test_what_is_said_twice_is_said_once(change: Callable[[Pointer], Pointer]) -> None:
    once = change(pointer())

    assert change(once) == once


# ---------------------------------------------------------------- going back


def test_going_back_quarantines_what_came_behind_and_raises_the_generation() -> None:
    back = marks.roll_back(pointer(), MIDDLE, "wrong prices")

    assert back.current == MIDDLE
    assert quarantined(back) == [f"rolled back to {MIDDLE}: wrong prices", None, None]
    assert (back.generation, back.forks[-1]) == (4, Fork(4, 20))
    assert back.rollbacks == (Rollback(4, "l", 20),)
    assert back.hold == f"rolled back to {MIDDLE}: wrong prices"
    assert (back.holder, back.heartbeat_at) == ("node-1", 1.0)


def test_a_quarantine_of_before_keeps_its_reason() -> None:
    bad = marks.quarantine(pointer(), NEWEST, "rows are missing")

    assert quarantined(marks.roll_back(bad, OLDEST, "all of it"))[0] == "rows are missing"


def test_going_back_without_a_hold_leaves_the_hold_as_it_is() -> None:
    assert marks.roll_back(pointer(), MIDDLE, holds=False).hold is None
    assert marks.roll_back(pointer(hold="by Ada"), MIDDLE).hold == "by Ada"


def test_going_back_to_the_current_one_only_holds() -> None:
    assert marks.roll_back(pointer(), NEWEST, holds=False) == pointer()
    assert marks.roll_back(pointer(), NEWEST, "look").generation == 3
    assert marks.roll_back(pointer(), NEWEST, "look").hold is not None


def test_nobody_goes_back_to_what_is_quarantined() -> None:
    bad = marks.quarantine(pointer(), MIDDLE, "rows are missing")

    with pytest.raises(NotOffered, match="rows are missing") as refused:
        marks.roll_back(bad, MIDDLE)
    assert f"quarantine {MIDDLE} --lift" in refused.value.hint


def test_going_back_is_undone_by_lifting_and_going_there() -> None:
    back = marks.roll_back(pointer(), OLDEST, "a mistake")
    again = marks.roll_back(marks.lift(back, NEWEST), NEWEST, holds=False)

    assert again.current == NEWEST
    assert again.catalog[0].quarantined is None
    assert again.generation == 5


def test_across_a_bootstrap_the_lineage_goes_back_too() -> None:
    mixed = (replace(NEWEST_FIRST[0], lineage_id="m"), *NEWEST_FIRST[1:])
    back = marks.roll_back(pointer(catalog=mixed, lineage_id="m"), MIDDLE)

    assert back.lineage_id == "l"
    assert back.rollbacks == (Rollback(4, "l", 20),)


def test_the_pointer_has_to_hold_the_current_one() -> None:
    many = tuple(entry(version) for version in range(2 * CATALOG_LIMIT, 0, -1))
    long = pointer(catalog=many, current=many[0].snapshot_id)

    assert marks.roll_back(long, many[CATALOG_LIMIT - 1].snapshot_id).current is not None
    with pytest.raises(NotOffered, match="older than the newest 500"):
        marks.roll_back(long, many[CATALOG_LIMIT].snapshot_id)


def test_the_list_of_rollbacks_is_bounded() -> None:
    many = tuple(Rollback(number, "l", 1) for number in range(ROLLBACK_LIMIT))
    back = marks.roll_back(pointer(rollbacks=many, generation=ROLLBACK_LIMIT), MIDDLE)

    assert len(back.rollbacks) == ROLLBACK_LIMIT
    assert back.rollbacks[-1].generation == ROLLBACK_LIMIT + 1
