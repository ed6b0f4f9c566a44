"""Back-off, polling intervals and the rhythm of listings, on a clock that is passed in."""

import pytest

from cdc.backoff import Reaction, delay_seconds, reaction
from cdc.errors import (
    AccessDenied,
    CdcError,
    IteratorExpired,
    LineageChanged,
    ShardNotFound,
    SourceUnreachable,
    Throttled,
    Trimmed,
)
from cdc.pace import Discovery, ShardPace
from cdc.troubles import Troubles


@pytest.mark.parametrize(
    "error, expected",
    [
        (Throttled("x"), Reaction.RETRY),
        (SourceUnreachable("x"), Reaction.RETRY),
        (IteratorExpired("x"), Reaction.REOPEN),
        (AccessDenied("x"), Reaction.PERSIST),
        (Trimmed("x"), Reaction.LOSE),
        (ShardNotFound("x"), Reaction.LOSE),
        (LineageChanged("x"), Reaction.STOP),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_class_of_error_has_its_reaction(error: CdcError, expected: Reaction) -> None:
    assert reaction(error) is expected


def test_delays_double_up_to_a_minute() -> None:
    delays = [delay_seconds(failures, 0.0) for failures in range(1, 14)]

    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == delay_seconds(10_000, 0.0) == 60.0


def test_jitter_takes_off_up_to_half() -> None:
    assert delay_seconds(4, 0.999) == pytest.approx(0.4, rel=0.01)


# ---------------------------------------------------------------- polls


def test_a_full_page_is_followed_at_once_but_not_faster_than_the_service_allows() -> None:
    pace = ShardPace()
    pace.begin(100.0)

    pace.full_page(100.05, 0.2)
    assert pace.next_at == 100.2
    pace.begin(100.2)
    pace.full_page(101.0, 0.2)
    assert pace.next_at == 101.0


def test_an_idle_shard_slows_down_to_one_poll_a_second() -> None:
    pace, pauses, now = ShardPace(), [], 0.0
    for _ in range(5):
        pace.begin(now)
        pace.idle_page(now, 0.25, shards=1)
        assert pace.next_at is not None
        pauses.append(pace.next_at - now)
        now = pace.next_at

    assert pauses == [0.25, 0.5, 1.0, 1.0, 1.0]


def test_a_thousand_idle_shards_share_two_hundred_calls_a_second() -> None:
    pace = ShardPace()
    for _ in range(10):
        pace.begin(0.0)
        pace.idle_page(0.0, 0.25, shards=1_000)

    assert pace.next_at == 5.0


def test_a_record_makes_an_idle_shard_quick_again() -> None:
    pace = ShardPace(idle_seconds=1.0)
    pace.begin(0.0)
    pace.part_page(0.0, 0.25)

    assert pace.next_at == 0.25


# ---------------------------------------------------------------- listings


def test_all_shards_are_listed_each_minute() -> None:
    discovery = Discovery()
    assert discovery.due(0.0, ()) == ""
    discovery.begin("", 0.0)
    discovery.succeeded("", 0.5)

    assert discovery.due(60.0, ()) is None
    assert discovery.due(60.5, ()) == ""


def test_a_listing_that_takes_long_takes_a_tenth_of_the_time_at_most() -> None:
    discovery = Discovery()
    discovery.begin("", 0.0)
    discovery.succeeded("", 14.0)

    assert discovery.full_at == 14.0 + 140.0


def test_children_are_asked_for_ten_times_and_then_left_to_the_full_listing() -> None:
    discovery, now, asked = Discovery(full_at=1e9), 0.0, []
    while now < 120.0:
        if discovery.due(now, ("a",)) == "a":
            asked.append(round(now, 1))
            discovery.begin("a", now)
            discovery.succeeded("a", now)
        now += 0.1

    assert len(asked) == 10
    assert asked[1] - asked[0] == pytest.approx(0.2, abs=0.11)
    assert asked[9] - asked[8] == pytest.approx(1.0, abs=0.11)


def test_listings_keep_to_five_calls_a_second() -> None:
    discovery = Discovery(full_at=1e9)
    discovery.due(10.0, ("a", "b"))
    discovery.begin("a", 10.0)

    assert discovery.due(10.1, ("a", "b")) is None
    assert discovery.due(10.2, ("a", "b")) == "b"


def test_many_ended_shards_are_worth_one_full_listing() -> None:
    drained = tuple(f"shard-{number}" for number in range(11))

    assert Discovery(full_at=1e9).due(10.0, drained) == ""


def test_a_shard_without_a_child_for_five_minutes_is_an_alarm() -> None:
    discovery = Discovery(full_at=1e9)
    discovery.due(0.0, ("a",))

    assert discovery.overdue(299.0) == 0
    assert discovery.overdue(300.0) == 1


def test_a_refused_listing_backs_off() -> None:
    discovery = Discovery()
    for _ in range(5):
        discovery.failed(100.0, 0.0)

    assert discovery.due(101.5, ()) is None
    assert discovery.due(101.6, ()) == ""


# ---------------------------------------------------------------- troubles


def test_trouble_is_told_after_thirty_seconds_and_forgotten_with_success() -> None:
    troubles = Troubles()
    troubles.failed("shard:a", AccessDenied("no GetRecords"), 0.0)
    troubles.failed("shard:a", AccessDenied("no GetRecords"), 20.0)

    assert troubles.degraded(29.0) is None
    told = troubles.degraded(30.0)
    assert told is not None
    assert told[0].startswith("no GetRecords (")
    assert told[1] == 0.0
    troubles.succeeded("shard:a")
    assert troubles.degraded(99.0) is None


def test_trouble_has_the_exit_code_of_its_kind() -> None:
    troubles = Troubles()
    assert troubles.exit_code(0.0) is None
    troubles.failed("shard:a", SourceUnreachable("no answer"), 0.0)
    assert troubles.exit_code(1.0) == 7
    troubles.failed("listing", AccessDenied("no DescribeStream"), 10.0)
    assert troubles.exit_code(50.0) == 7
    troubles.succeeded("shard:a")
    assert troubles.exit_code(50.0) == 9


def test_the_first_start_does_not_wait_for_a_permission() -> None:
    troubles = Troubles(is_first_start=True)

    with pytest.raises(AccessDenied):
        troubles.failed("scan:0", AccessDenied("no Scan"), 0.0)


def test_a_call_that_has_worked_once_is_waited_for_even_at_the_first_start() -> None:
    troubles = Troubles(is_first_start=True)
    troubles.succeeded("shard:a")

    troubles.failed("shard:b", AccessDenied("no GetRecords"), 0.0)

    assert troubles.errors == {"AccessDenied": 1}
