"""Thirty hours: of a table that nobody writes to, and of a stream that is dead."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc.errors import StreamDisabled
from snapshotter.format import CatalogEntry
from tests.simulators.household import (
    HOUR,
    MINUTE,
    STREAM_CALLS,
    Household,
    household,
    table_items,
)

ROWS = 50
DAY = 24 * HOUR
# Each poll of an idle table is a commit of its proof: thirty hours of them at the usual rate are
# most of a test's time.
SELDOM = {"dynamodb_stream_poll_interval": "5m"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path, rows=ROWS) as made:
        yield made


@pytest.fixture
def two_shards(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path, rows=ROWS, shards=2) as made:
        yield made


def newest(house: Household) -> CatalogEntry:
    return house.pointer().catalog[0]


def hours_left(house: Household) -> float:
    """How long the newest snapshot can still be resumed."""
    until = newest(house).resumable_until
    assert until is not None
    return (until - house.clock.now) / HOUR


def test_the_newest_snapshot_of_a_table_that_is_idle_for_thirty_hours_can_be_resumed(
    house: Household,
) -> None:
    node = house.node("node", params=SELDOM).start().live(HOUR)
    for _ in range(10):
        node.live(3 * HOUR)
        assert hours_left(house) > 22.5
        assert node.status()["snapshot"]["held_reasons"] == []
    assert newest(house).new_bytes < 20_000  # a renewal, not another copy
    node.stop()
    scans = house.scans()
    house.table.put("at last", value=1)

    late = house.node("late").start().live(5 * MINUTE)

    assert late.status()["restore"]["decision"] == "restore"
    assert late.serves() == (ROWS + 1, False)
    assert late.items() == table_items(house.table)
    assert house.scans() == scans


@pytest.mark.parametrize("policy", ["on_change", "always"])
def test_a_stream_that_is_silent_for_thirty_hours_publishes_nothing_and_the_node_serves_on(
    house: Household, policy: str
) -> None:
    acceleration = {"snapshots_creation_policy": policy}
    node = house.node("node", acceleration=acceleration).start().live(90 * MINUTE)
    house.close(*STREAM_CALLS)
    node.live(2 * HOUR)  # what was read before is published in the meantime
    published = house.pointer().catalog

    for _ in range(7):
        node.live(4 * HOUR)
        assert node.is_ready()
        assert node.serves() == (ROWS, True)
        assert house.pointer().catalog == published

    assert hours_left(house) < -5
    assert node.status()["state"] == "ready"
    assert "no answer" in node.status()["problem"]["message"]
    assert (node.metric("dynamodb_stream_checkpoint_age_ms") or 0) > 29 * HOUR * 1000
    assert (node.metric("dataset_dynamodb_lag_ms") or 0) > 29 * HOUR * 1000
    code, refusal = node.create_snapshot()
    assert code == 409
    assert "its checkpoint expired" in refusal["error"]
    assert house.pointer().catalog == published


def test_one_silent_shard_of_two_ages_every_snapshot_and_ends_their_publishing(
    two_shards: Household,
) -> None:
    house = two_shards
    node = house.node("node", params=SELDOM).start().live(HOUR)
    silent, _ = house.table.shards
    for call in ("open_iterator", "get_records"):
        house.close(call, shard_id=silent)

    def write() -> None:
        for number in range(4):
            house.table.put(f"key-{number}", at=house.clock.now)

    house.clock.every(HOUR, write)

    for hours in range(2, 24, 3):
        node.live(3 * HOUR)
        assert hours_left(house) <= 24 - hours
    node.live(2 * HOUR)
    published = house.pointer().catalog
    node.live(HOUR)

    assert house.pointer().catalog == published
    assert "expired" in node.status()["snapshot"]["held_because"][0]
    assert house.logged("snapshot_held")
    assert node.is_ready()
    assert node.serves() == (ROWS, True)
    assert "no answer" in node.status()["problem"]["message"]


def test_a_stream_that_was_disabled_is_told_and_served_also_when_it_is_forgotten(
    house: Household,
) -> None:
    node = house.node("node").start().live(10 * MINUTE)
    house.table.put("last", value=1)
    house.table.disable()
    gone = StreamDisabled("no such stream")
    house.clock.after(DAY, lambda: house.table.fail("list_shards", gone))
    node.live(90 * MINUTE)
    published = house.pointer().catalog

    for _ in range(10):
        node.live(3 * HOUR)
        assert node.is_ready()
        assert node.serves() == (ROWS + 1, True)
        assert house.pointer().catalog == published

    assert "stream" in node.status()["problem"]["message"]
    assert house.logged("dataset_error") == []

    house.table.enable()  # it is another stream: the old one stays gone
    node.live(5 * MINUTE)

    first = house.logged("dataset_error")[0]["message"]
    assert "is not the one that the file was built from" in first
