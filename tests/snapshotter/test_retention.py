"""Retention: what it keeps, and what it never gives up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter import catalog
from snapshotter.format import CatalogEntry, Pointer
from snapshotter.retention import Retention, to_go
from tests.snapshotter.test_catalog import entry
from tests.snapshotter.test_marks import pointer

NOW = 1000.0


def of(*entries: CatalogEntry, current: str | None = None) -> Pointer:
    return pointer(catalog=entries, current=current or entries[0].snapshot_id)


def five(**changes: object) -> Pointer:
    """Versions 9 to 5, made 100 to 500 s ago."""
    return of(
        *(entry(version, created_at=version * 100.0, **changes) for version in range(9, 4, -1))
    )


def going(of: Pointer, **settings: float) -> list[int]:
    keeps = Retention(**settings)  # type: ignore[arg-type]  # a count or seconds, as its name says
    return [each.version for each in to_go(of, keeps, NOW)]


def marked(of: Pointer, version: int, **changes: object) -> Pointer:
    entries = (
        replace(each, **changes) if each.version == version else each  # type: ignore[arg-type]
        for each in of.catalog
    )
    return replace(of, catalog=tuple(entries))


def test_nothing_goes_until_something_is_said() -> None:
    assert going(five()) == []
    assert Retention().keeps_all


@pytest.mark.parametrize("count, left", [(5, []), (4, [5]), (3, [6, 5]), (2, [7, 6, 5])])
def test_the_last_ones_are_kept(count: int, left: list[int]) -> None:
    assert going(five(), keep_last=count) == left


@pytest.mark.parametrize("seconds, left", [(501, []), (500, [5]), (301, [6, 5]), (0, [7, 6, 5])])
def test_young_ones_are_kept(seconds: float, left: list[int]) -> None:
    assert going(five(), keep_for=seconds) == left


def test_a_snapshot_of_a_clock_that_is_ahead_is_not_young_where_age_does_not_count() -> None:
    ahead = marked(five(), 7, created_at=NOW + 1)

    assert going(ahead, keep_last=2) == [7, 6, 5]
    assert going(ahead, keep_for=1) == [6, 5]


def test_one_of_both_is_enough() -> None:
    assert going(five(), keep_last=4, keep_for=301) == [5]
    assert going(five(), keep_last=2, keep_for=401) == [5]


def test_the_two_newest_good_ones_stay_whatever_is_said() -> None:
    bad = marked(five(), 8, quarantined="rows are missing")

    assert going(five(), keep_last=1) == [7, 6, 5]
    assert going(bad, keep_last=1) == [8, 6, 5]
    assert going(bad, keep_for=1) == [8, 6, 5]


def test_a_pinned_one_stays_quarantined_or_not() -> None:
    assert going(marked(five(), 5, pinned="audit"), keep_last=2) == [7, 6]
    both = marked(five(), 5, pinned="audit", quarantined="bad")
    assert going(both, keep_last=2) == [7, 6]


def test_quarantined_ones_do_not_count() -> None:
    bad = marked(marked(five(), 9, quarantined="bad"), 7, quarantined="bad")

    assert going(bad, keep_last=3) == []
    assert going(bad, keep_last=2) == [5]


def test_behind_a_rollback_the_current_one_and_one_before_it_stay() -> None:
    back = replace(five(), current="id-6")
    for version in (9, 8, 7):
        back = marked(back, version, quarantined="rolled back to id-6")

    assert going(back, keep_for=1) == [9, 8, 7]
    assert going(back, keep_last=1) == []


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 900)), min_size=1, max_size=12),
    st.integers(0, 11),
    st.none() | st.integers(1, 6),
    st.none() | st.integers(0, 900),
)
def test_what_must_stay_stays(
    drawn: list[tuple[bool, bool, int]], at: int, last: int | None, seconds: int | None
) -> None:
    entries = tuple(
        entry(
            20 - number,
            created_at=NOW - age,
            quarantined="bad" if is_bad else None,
            pinned="audit" if is_pinned else None,
        )
        for number, (is_bad, is_pinned, age) in enumerate(drawn)
    )
    given_pointer = of(*entries, current=entries[at % len(entries)].snapshot_id)

    gone = to_go(given_pointer, Retention(last, seconds), NOW)

    left = tuple(each for each in entries if each not in gone)
    good = list(catalog.candidates(entries, given_pointer.current))
    assert list(catalog.candidates(left, given_pointer.current))[:2] == good[:2]
    assert given_pointer.current in {each.snapshot_id for each in left}
    assert not any(each.pinned for each in gone)
    assert all(NOW - each.created_at >= (seconds or 0) for each in gone)
    if last is not None:
        kept = [each for each in left if each.quarantined is None]
        total = sum(each.quarantined is None for each in entries)
        assert len(kept) >= min(last, total)


def test_the_newest_proven_one_is_kept() -> None:
    older = marked(marked(five(), 6, proven_at=1.0), 5, proven_at=2.0)

    assert going(older, keep_last=2) == [7, 5]
    assert going(marked(older, 8, proven_at=3.0), keep_last=2) == [7, 6, 5]
    assert going(marked(older, 6, quarantined="wrong"), keep_last=2) == [7, 6]
