"""When the live feed has lost so many rows that a person should look."""

from snapshotter.mass_delete import Count, Feed
from snapshotter.objections import Bounds

HOUR = 3600.0
BOUNDS = Bounds(max_shrink=0.5)


def feed(*counts: tuple[float, int]) -> Feed:
    """Counts as (hours, rows); deletes are what the rows went down by."""
    made, deletes, before = Feed("lineage", HOUR), 0, None
    for hours, rows in counts:
        deletes += max(0, (before or rows) - rows)
        before = rows
        made = made.counted(Count(hours * HOUR, rows, deletes))
    return made


def test_more_than_the_bound_within_the_window_is_lost() -> None:
    assert feed((0, 1000), (0.5, 501)).lost(BOUNDS) is None
    assert feed((0, 1000), (0.5, 500)).lost(BOUNDS) is None
    assert feed((0, 1000), (0.5, 499)).lost(BOUNDS) == "501 of 1000 rows are gone within 60 min"


def test_rows_that_go_little_by_little_within_the_window_are_lost_too() -> None:
    assert feed((0, 1000), (0.3, 700), (0.6, 550), (0.9, 420)).lost(BOUNDS) is not None


def test_what_went_over_more_than_a_window_is_not_lost() -> None:
    assert feed((0, 1000), (0.8, 700), (1.6, 550), (2.4, 420)).lost(BOUNDS) is None


def test_a_table_whose_rows_are_replaced_loses_nothing() -> None:
    replaced = feed((0, 1000)).counted(Count(0.5 * HOUR, 1000, deletes=1000))

    assert replaced.lost(BOUNDS) is None


def test_a_table_that_was_emptied_is_lost_however_small_it_was() -> None:
    assert feed((0, 3), (0.5, 0)).lost(BOUNDS) is not None
    assert feed((0, 3), (0.5, 1)).lost(BOUNDS) is None


def test_nothing_counted_is_nothing_lost() -> None:
    assert feed().lost(BOUNDS) is None
    assert feed((0, 0)).lost(BOUNDS) is None


def test_rows_are_counted_at_the_start_after_many_deletes_and_twice_in_a_window() -> None:
    counted = feed((0, 1000))

    assert feed().wants_count(0, 0)
    assert not counted.wants_count(60, 49)
    assert counted.wants_count(60, 50)
    assert counted.wants_count(HOUR / 2, 0)
