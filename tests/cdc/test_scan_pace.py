"""How fast a scan asks: by read units, and by what the table refuses."""

from cdc.scan_pace import ScanPace

MB = 1_000_000


def throttle(pace: ScanPace, segment: int, now: float, *, unfinished: int = 8) -> None:
    pace.begin(segment, now)
    pace.failed(segment, is_throttled=True, unfinished=unfinished, now=now, jitter=0.0)


def read(pace: ScanPace, segment: int, now: float, *, rows: int = 4000) -> int | None:
    """A page is asked for, comes, and is committed; the limit that it was asked for with."""
    limit = pace.begin(segment, now)
    came = rows if limit is None else min(rows, limit)
    pace.succeeded(segment, came, 256.0 * came / rows, MB, now)
    pace.release(segment, now)
    return limit


def test_the_rate_counts_the_units_that_the_answer_names() -> None:
    pace = ScanPace(1, 100.0, max_rcu=512.0)
    read(pace, 0, 100.0)
    assert pace.next_at([0]) == 100.5

    pace.begin(0, 101.0)
    pace.succeeded(0, 4000, None, 512 * 4096, 101.0)  # it names none: a unit for 4 KB of answer
    pace.release(0, 101.0)
    assert pace.next_at([0]) == 102.0


def test_a_low_rate_is_kept_by_small_pages_one_at_a_time() -> None:
    pace = ScanPace(8, 0.0, max_rcu=64.0)

    assert pace.room(16) == 1
    assert read(pace, 0, 0.0) == 64  # of unknown items as many as surely fit
    assert read(pace, 1, 10.0) == 4000 * 64 // 256
    assert pace.room(16) == 1
    assert ScanPace(8, 0.0, max_rcu=None).begin(0, 0.0) is None


def test_a_throttled_segment_asks_for_less_and_the_others_go_on() -> None:
    pace = ScanPace(8, 0.0, None)
    read(pace, 1, 0.0)

    throttle(pace, 0, 1.0)
    throttle(pace, 0, 2.0)

    assert not pace.is_due(0, 2.0)
    assert pace.room(8) == 8
    assert read(pace, 1, 2.0) is None
    assert pace.is_due(0, 3.0)
    assert read(pace, 0, 3.0) == 1000


def test_the_limit_grows_back_in_quiet_times_only() -> None:
    pace = ScanPace(2, 0.0, None)
    read(pace, 1, 0.0)
    throttle(pace, 0, 0.0)
    throttle(pace, 0, 0.0)

    limits = [read(pace, 0, float(second)) for second in range(1, 40)]

    assert limits[:10] == [1000] * 10
    assert limits[10:20] == [2000] * 10
    assert limits[20:30] == [4000] * 10
    assert limits[-1] == 8000  # more than a page holds: with the next step it is gone
    assert read(pace, 0, 41.0) == 8000
    assert read(pace, 0, 42.0) is None


def test_where_most_segments_are_throttled_fewer_are_under_way() -> None:
    pace = ScanPace(8, 0.0, None)
    for segment in range(4):
        throttle(pace, segment, 5.0)
    assert pace.room(8) == 8

    throttle(pace, 4, 5.0)
    assert pace.room(8) == 4
    throttle(pace, 5, 5.5)  # it was asked for before
    assert pace.room(8) == 4
    throttle(pace, 5, 6.5)
    assert pace.room(8) == 2
    for second in range(7, 12):
        throttle(pace, 6, float(second))
    assert pace.room(8) == 1


def test_pages_under_way_grow_back_one_for_ten_quiet_seconds() -> None:
    pace = ScanPace(4, 0.0, None)
    for segment in range(3):
        throttle(pace, segment, 5.0, unfinished=4)
    assert pace.room(4) == 2

    rooms = []
    for second in range(6, 46):
        read(pace, second % 4, float(second), rows=1)
        rooms.append(pace.room(4))

    assert rooms[:9] == [2] * 9
    assert rooms[9:19] == [3] * 10
    assert rooms[19:] == [4] * 21


def test_the_last_segment_that_is_hot_is_not_kept_from_asking() -> None:
    pace = ScanPace(8, 0.0, None)
    for second in range(1, 20):
        throttle(pace, 3, float(100 * second), unfinished=1)

    assert pace.room(8) == 1
    assert pace.next_at([3]) == 1900.0 + 10.0


def test_more_time_lies_between_pages_of_a_table_that_is_throttled() -> None:
    pace = ScanPace(4, 0.0, None)
    read(pace, 3, 0.0)
    assert pace.is_due(3, 0.0)
    for second in range(1, 5):
        for segment in range(3):
            throttle(pace, segment, 2.0 * second, unfinished=4)

    read(pace, 3, 20.0)
    assert not pace.is_due(3, 20.0)
    assert pace.next_at([3]) == 20.0 + 0.05 * 2**3
    for second in range(30, 70, 10):
        read(pace, 3, float(second))
    assert pace.next_at([3]) == 60.0
