"""A stream that died a day ago must not be handed on: no snapshot of it, and no node that loops.

As it happened elsewhere: the checkpoint was past the day, the stream dead, the node ready all the
same; it went on uploading, and each new node took over the dead position and got nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.household import (
    HOUR,
    MINUTE,
    STREAM_CALLS,
    Household,
    household,
    table_items,
)

ROWS = 50
EAGER = {"snapshots_creation_policy": "always", "snapshots_trigger_threshold": "15m"}
SELDOM = {"dynamodb_stream_poll_interval": "5m"}
LOADS_ANEW = {"dynamodb_stream_shard_not_found_behavior": "ready_after_load"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path, rows=ROWS) as made:
        yield made


def test_a_dead_stream_poisons_nothing_and_new_nodes_begin_once_and_well(house: Household) -> None:
    node = house.node("old", acceleration=EAGER, params=SELDOM).start().live(HOUR)
    house.close(*STREAM_CALLS)
    node.live(15 * HOUR)
    assert node.create_snapshot()[0] == 409
    node.live(10 * HOUR)

    assert node.is_ready()
    assert node.create_snapshot()[0] == 409
    assert {"expired", "stream_failing"} <= set(node.status()["snapshot"]["held_reasons"])
    for entry in house.pointer().catalog:
        assert (entry.resumable_until or 0) > entry.created_at + 23 * HOUR

    # Even where a person insists, nobody is caught by it.
    code, report = node.create_snapshot(force="the last state of a table that is given up")
    assert code == 201
    assert {"expired", "stream_failing"} <= set(report["overruled"])
    node.stop()
    house.open_everything()
    scans = house.scans()

    first = house.node("first", params=LOADS_ANEW).start().live(10 * MINUTE)
    of_first = house.scans() - scans
    second = house.node("second", params=LOADS_ANEW).start().live(5 * MINUTE)

    assert first.status()["restore"]["decision"] == "bootstrap"
    assert second.status()["restore"]["decision"] == "restore"
    assert of_first > 0
    assert house.scans() - scans == of_first  # nobody loaded the table again
    for each in (first, second):
        assert each.is_ready()
        assert each.items() == table_items(house.table)
    newest = house.pointer().catalog[0]
    assert newest.snapshot_id != report["snapshot_id"]
    assert (newest.resumable_until or 0) > house.clock.now + 22 * HOUR
    assert house.logged("dataset_error") == []
