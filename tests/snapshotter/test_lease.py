"""Who may take the lease, by what was seen of it on one's own clock."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter import lease_json
from snapshotter.errors import Corrupt, FormatTooNew
from snapshotter.lease import (
    Claim,
    Claimant,
    Lease,
    Watch,
    claim,
    most_unseen_seconds,
    next_look_seconds,
    renewal_seconds,
    taken,
    watched,
)
from snapshotter.seal import seal

HOLD = 30.0
LEASE = Lease("flights", "host/1", "a" * 32, "5" * 16, 3, 7, HOLD)
OTHER = Claimant("b" * 32, HOLD)


def look(before: Watch | None, lease: Lease | None, at: float, took: float = 0.0) -> Watch:
    return watched(before, lease, asked_at=at, answered_at=at + took, lease_seconds=HOLD)


def looked(lease: Lease | None, *at: float, took: float = 0.0) -> Watch:
    watch = None
    for moment in at:
        watch = look(watch, lease, moment, took)
    assert watch is not None
    return watch


@pytest.mark.parametrize(
    "lease, who, right",
    [
        (None, OTHER, "free"),
        (None, replace(OTHER, is_standby=True), None),
        (replace(LEASE, is_released=True), OTHER, "released"),
        (replace(LEASE, is_released=True), replace(OTHER, is_standby=True), "released"),
        (LEASE, OTHER, None),
        (LEASE, Claimant("a" * 32, HOLD), "own"),
        (LEASE, Claimant("a" * 32, HOLD, resumes=False), None),
        (LEASE, replace(OTHER, forces=True), "forced"),
    ],
)
def test_at_the_first_look_it_is_taken_where_nobody_has_it_or_a_person_says_so(
    lease: Lease | None, who: Claimant, right: Claim | None
) -> None:
    assert claim(looked(lease, 0.0), who) == right


def test_an_unchanged_lease_expires_and_a_missing_one_is_a_standbys_after_the_same_time() -> None:
    standby = replace(OTHER, is_standby=True)
    for lease, who, right in ((LEASE, OTHER, "expired"), (None, standby, "free")):
        assert claim(looked(lease, 0, 10, 20, 29.9), who) is None
        assert claim(looked(lease, 0, 10, 20, 30.0), who) == right


def test_time_counts_from_the_end_of_the_first_look_to_the_begin_of_the_last() -> None:
    assert looked(LEASE, 0, 10, 20, 30, took=4.0).seconds == 26.0


def test_any_renewal_begins_a_new_watch() -> None:
    watch = looked(LEASE, 0, 10, 20, 29)

    assert look(watch, replace(LEASE, renewals=8), 30).seconds == 0.0


def test_who_could_not_look_for_long_knows_nothing_of_that_time() -> None:
    gap = most_unseen_seconds(HOLD)

    assert looked(LEASE, 0, gap).seconds == gap
    assert looked(LEASE, 0, gap + 0.1).seconds == 0.0
    assert looked(LEASE, 0, 10, 10 + gap - 1.0, took=1.1).seconds == 0.0  # a slow answer


def test_a_waiting_node_looks_when_the_lease_expires_and_six_times_before() -> None:
    assert next_look_seconds(looked(LEASE, 0, 10, 20), OTHER) == 5.0
    assert next_look_seconds(looked(LEASE, 0, 10, 20, 29), OTHER) == 1.0
    assert next_look_seconds(looked(LEASE, 0, 10, 20, 30), OTHER) == 0.0
    assert renewal_seconds(HOLD) == 10.0


def test_what_is_taken_goes_on_counting_and_has_no_generation_yet() -> None:
    watch = looked(replace(LEASE, is_released=True), 0)
    new = taken(watch, OTHER, dataset="flights", holder="host/2", session="6" * 16)

    assert new == Lease("flights", "host/2", "b" * 32, "6" * 16, 0, 8, HOLD)


@given(
    renewals=st.lists(st.floats(0.1, 10.0), min_size=3, max_size=40),
    looks=st.lists(st.tuples(st.floats(0.1, 45.0), st.floats(0.0, 20.0)), max_size=80),
    drift=st.floats(-1e6, 1e6),
)
def test_nobody_takes_it_from_a_holder_that_renews_in_time(
    renewals: list[float], looks: list[tuple[float, float]], drift: float
) -> None:
    """However late an observer's looks are, and however long they take."""
    written = [0.0]
    for pause in renewals:
        written.append(written[-1] + pause)
    now, watch = 0.0, None
    for pause, took in looks:
        asked = now + pause
        now = asked + took
        if now > written[-1]:
            return
        # The store answers with what was there at some instant of the look: the oldest is worst.
        number = sum(at <= asked for at in written)
        lease = replace(LEASE, renewals=number)
        watch = watched(
            watch, lease, asked_at=asked + drift, answered_at=now + drift, lease_seconds=HOLD
        )
        assert claim(watch, OTHER) is None


@given(looks=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=100))
def test_a_dead_holders_lease_is_taken_after_its_time_and_one_look(looks: list[float]) -> None:
    now, watch = 0.0, look(None, LEASE, 0.0)
    for pause in looks:
        now += pause
        watch = look(watch, LEASE, now)
        if now >= HOLD:
            assert claim(watch, OTHER) == "expired"


# ---------------------------------------------------------------- its bytes


def test_a_lease_comes_back_as_it_was_written() -> None:
    for lease in (LEASE, replace(LEASE, is_released=True)):
        for algorithm in ("blake3", "sha256"):
            data = lease_json.encode_lease(lease, algorithm)
            assert lease_json.decode_lease(data, "flights") == lease


def test_any_damaged_byte_of_a_lease_shows() -> None:
    data = lease_json.encode_lease(LEASE)
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1
        with pytest.raises(Corrupt):
            lease_json.decode_lease(bytes(damaged), "flights")
        with pytest.raises(Corrupt):
            lease_json.decode_lease(data[:place], "flights")


def test_a_lease_of_another_dataset_or_a_later_format_is_refused() -> None:
    with pytest.raises(Corrupt, match="written for dataset 'flights'"):
        lease_json.decode_lease(lease_json.encode_lease(LEASE), "trains")
    with pytest.raises(FormatTooNew):
        lease_json.decode_lease(seal({"format": 2}, "blake3"), "flights")


def test_a_lease_that_would_never_expire_is_refused() -> None:
    with pytest.raises(Corrupt):
        lease_json.decode_lease(
            lease_json.encode_lease(replace(LEASE, lease_seconds=1e9)), "flights"
        )
