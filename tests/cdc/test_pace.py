"""Back-off and the rhythm of listings, on a clock that is passed in."""

from itertools import pairwise

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
from cdc.pace import Ask, Discovery
from cdc.troubles import Troubles

FULL = Ask("full")


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


# ---------------------------------------------------------------- listings


def test_all_shards_are_listed_each_minute() -> None:
    discovery = Discovery()
    assert discovery.due(0.0, ()) == FULL
    discovery.begin(FULL, 0.0)
    discovery.succeeded(FULL, 0.5)

    assert discovery.due(60.0, ()) is None
    assert discovery.due(60.5, ()) == FULL


def test_a_full_listing_that_takes_long_takes_a_fiftieth_of_the_time_at_most() -> None:
    discovery = Discovery()
    discovery.begin(FULL, 0.0)
    discovery.succeeded(FULL, 14.0)

    assert discovery.full_at == 14.0 + 700.0


def test_a_listing_that_was_cut_short_is_gone_on_with_and_counted_as_one() -> None:
    discovery = Discovery()
    discovery.begin(FULL, 0.0)
    discovery.cut_short(6.0)

    assert discovery.due(6.0, ()) == FULL
    discovery.begin(FULL, 6.0)
    discovery.succeeded(FULL, 10.0)
    assert discovery.full_at == 10.0 + 500.0


def test_children_are_asked_for_ten_times_and_then_left_to_a_listing_each_minute() -> None:
    discovery, now = Discovery(full_at=1e9), 0.0
    asked: list[tuple[str, float]] = []
    while now < 200.0:
        ask = discovery.due(now, ("a",))
        if ask is not None:
            asked.append((ask.kind, now))
            discovery.begin(ask, now)
            discovery.succeeded(ask, now)
        now += 0.1

    kinds, times = zip(*asked, strict=True)
    assert kinds == (*["children"] * 10, *["newer"] * 3)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[0] == pytest.approx(0.2, abs=0.11)
    assert pauses[8] == pytest.approx(1.0, abs=0.11)
    assert pauses[9:] == pytest.approx([60.0] * 3, abs=0.11)


def test_children_of_two_shards_are_asked_for_one_by_one() -> None:
    discovery = Discovery(full_at=1e9)
    assert discovery.due(10.0, ("a", "b")) == Ask("children", "a")
    discovery.begin(Ask("children", "a"), 10.0)

    assert discovery.due(10.1, ("a", "b")) is None
    assert discovery.due(10.2, ("a", "b")) == Ask("children", "b")


def test_more_ended_shards_are_worth_one_listing_of_what_is_newer() -> None:
    discovery, drained = Discovery(full_at=1e9), ("a", "b", "c")

    assert discovery.due(10.0, drained) == Ask("newer")
    discovery.begin(Ask("newer"), 10.0)
    assert discovery.due(10.05, drained) is None
    assert discovery.next_at(drained) == pytest.approx(10.2)


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
    assert discovery.due(101.6, ()) == FULL


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
