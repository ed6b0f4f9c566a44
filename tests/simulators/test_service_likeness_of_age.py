"""What time does to iterators and records: the simulated service against DynamoDB Local."""

from collections.abc import Callable

import pytest

from tests.servers.moving_clock import MovingClock
from tests.simulators.clock import VirtualClock
from tests.simulators.partners import Partner, local_partners, refusal_of, simulated_partners

MINUTE, HOUR = 1 / 60, 1.0
Advance = Callable[[float], object]


def names(partner: Partner, kind: str, **arguments: str) -> list[str]:
    records = partner.read(kind, **arguments)
    return [record["dynamodb"]["Keys"]["id"]["S"] for record in records]


def iterators(partner: Partner, advance: Advance) -> object:
    first = partner.iterator("TRIM_HORIZON")
    following = partner.records(first)["NextShardIterator"]
    told = []
    for minutes in (13, 3):
        advance(minutes * MINUTE)
        told += [refusal_of(lambda: partner.records(each)) for each in (first, following)]  # noqa: B023
    return told


# Not compared: AFTER the newest trimmed record, behind which nothing is missing. DynamoDB Local
# answers; the simulated service refuses, because the service may, and capture has to bear it.
def records(partner: Partner, advance: Advance) -> object:
    partner.put("old")
    partner.put("also old")
    first = partner.read("TRIM_HORIZON")[0]["dynamodb"]["SequenceNumber"]
    advance(22 * HOUR)
    before = names(partner, "AFTER_SEQUENCE_NUMBER", SequenceNumber=first)
    partner.put("new")
    partner.put("newer")
    third = partner.read("TRIM_HORIZON")[2]["dynamodb"]["SequenceNumber"]
    advance(4 * HOUR)
    return before, [
        refusal_of(lambda: names(partner, "AT_SEQUENCE_NUMBER", SequenceNumber=first)),
        refusal_of(lambda: names(partner, "AFTER_SEQUENCE_NUMBER", SequenceNumber=first)),
        names(partner, "AT_SEQUENCE_NUMBER", SequenceNumber=third),
        names(partner, "AFTER_SEQUENCE_NUMBER", SequenceNumber=third),
        names(partner, "TRIM_HORIZON"),
        names(partner, "LATEST"),
    ]


@pytest.mark.parametrize("script", [iterators, records])
def test_age_does_the_same_on_both(
    script: Callable[[Partner, Advance], object], dynamodb_local_moving: MovingClock
) -> None:
    clock = VirtualClock()
    with simulated_partners(1, clock) as partners:
        mine = script(next(partners), lambda hours: clock.advance(hours * 3600))
    local = next(local_partners(dynamodb_local_moving.server))
    assert mine == script(local, lambda hours: dynamodb_local_moving.advance(hours=hours))
