"""A new node beside a stream that has been dead for thirty hours, and what its policy makes of it.

The bucket holds snapshots from before, all of them too old to resume from.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.household import (
    HOUR,
    MINUTE,
    STREAM_CALLS,
    TABLE_CALLS,
    Household,
    VirtualNode,
    household,
    table_items,
)

ROWS = 50
PATIENCE_SECONDS = 90.0


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Household]:
    """Two snapshots, and a table that changed once before its stream fell silent."""
    with household(tmp_path, rows=ROWS) as made:
        seldom = {"dynamodb_stream_poll_interval": "5m"}
        made.node("old", params=seldom).start().live(2 * HOUR).stop()
        assert len(made.pointer().catalog) == 2
        made.table.put("unseen", value=1)
        made.close(*STREAM_CALLS)
        made.clock.advance(30 * HOUR)
        yield made


def behaving(house: Household, behavior: str, **more: str) -> VirtualNode:
    """A new node with this behaviour."""
    params = {"dynamodb_stream_shard_not_found_behavior": behavior}
    return house.node(behavior, params=params, **more)


def wait_until_it_serves(node: VirtualNode, wanted: tuple[int, bool]) -> None:
    """For what needs real time: an edge, and the moment in which a built file goes live."""
    end = time.monotonic() + PATIENCE_SECONDS
    while node.serves() != wanted:
        assert time.monotonic() < end, node.status()
        time.sleep(0.02)


def test_error_refuses_with_the_age_and_goes_on_refusing(house: Household) -> None:
    published = house.pointer()

    node = behaving(house, "error").start()

    for _ in range(5):
        node.live(5 * MINUTE)
        problem = node.status()["problem"]
        assert node.status()["state"] == "error"
        assert problem["exit_code"] == 6
        assert "too old to resume" in problem["message"]
        assert node.serves() is None
        assert not node.is_ready()
    assert node.explain()["candidates"][0]["age"] == "expired"
    assert house.pointer() == published


@pytest.mark.parametrize("away", [STREAM_CALLS, STREAM_CALLS + TABLE_CALLS])
def test_ready_before_load_serves_the_old_state_labelled_until_the_stream_answers(
    house: Household, away: tuple[str, ...]
) -> None:
    house.close(*away)
    catalog = house.pointer().catalog

    node = behaving(house, "ready_before_load").start()

    for _ in range(20):
        node.live(37.0)
        assert node.serves() == (ROWS, True)
        assert node.is_ready()
    assert node.status()["stale"]
    assert node.metric("dataset_dynamodb_stale") == 1
    assert "no answer" in node.status()["problem"]["message"]
    assert node.status()["restore"]["decision"] == "serve_stale_and_bootstrap"
    assert house.pointer().catalog == catalog

    house.table.heal()
    for pause in range(20):
        node.live(MINUTE)
        if node.serves() == (ROWS + 1, False):
            break
        time.sleep(
            0.1 + 0.3 * pause
        )  # the built file goes live by a thread that looks now and then
    assert node.serves() == (ROWS + 1, False)
    assert not node.status()["stale"]
    assert node.metric("dataset_dynamodb_stale") == 0
    assert node.items() == table_items(house.table)
    node.live(5 * MINUTE)
    assert house.pointer().catalog[0].row_count == ROWS + 1


def test_ready_after_load_answers_503_with_the_reason_until_the_table_is_loaded(
    house: Household,
) -> None:
    catalog = house.pointer().catalog

    node = behaving(house, "ready_after_load").start()

    for _ in range(5):
        node.live(3 * MINUTE)
        code, said, _ = node.sql("select 1")
        assert code == 503
        assert "no answer" in said["error"]
        assert not node.is_ready()
    assert node.status()["restore"]["decision"] == "bootstrap"
    assert house.pointer().catalog == catalog

    house.table.heal()
    node.live(5 * MINUTE)

    assert node.serves() == (ROWS + 1, False)
    assert house.pointer().catalog[0].row_count == ROWS + 1


@pytest.mark.parametrize(
    "on_failure, state, decision",
    [
        ("warn", "error", "bootstrap"),
        ("fallback", "error", "bootstrap"),
        ("retry", "waiting", "wait"),
    ],
)
def test_a_bucket_that_is_away_too_makes_warn_and_fallback_load_the_table_and_retry_wait(
    house: Household, on_failure: str, state: str, decision: str
) -> None:
    house.bucket.is_closed = True

    node = behaving(house, "error", on_failure=on_failure).start().live(5 * MINUTE)

    assert node.status()["state"] == state
    assert node.status()["restore"]["decision"] == decision
    assert node.serves() is None
    house.table.heal()
    node.live(5 * MINUTE)
    assert node.serves() == (None if on_failure == "retry" else (ROWS + 1, False))


@pytest.mark.parametrize("behavior", ["error", "ready_before_load", "ready_after_load"])
def test_of_nodes_that_restart_with_a_file_as_old_and_nothing_upstream_one_behavior_serves_it(
    house: Household, behavior: str
) -> None:
    house.close(*TABLE_CALLS)
    house.bucket.is_closed = True
    params = {"dynamodb_stream_shard_not_found_behavior": behavior}

    node = house.node("old", params=params).start()

    for _ in range(6):
        node.live(41.0)
        is_served = behavior == "ready_before_load"
        assert node.serves() == ((ROWS, True) if is_served else None)
        assert node.is_ready() == is_served
        problem = node.status()["problem"]
        assert ("too old" if behavior == "error" else "no answer") in problem["message"]
        assert problem["exit_code"] == (6 if behavior == "error" else 7)


def test_an_edge_takes_the_newest_snapshot_labels_it_and_asks_the_table_nothing(
    house: Household,
) -> None:
    asked = len(house.table.calls)

    edge = house.node("edge", role="edge").start()

    wait_until_it_serves(edge, (ROWS, True))
    assert edge.is_ready()
    assert edge.status()["restore"]["snapshot_id"] == house.pointer().current
    assert edge.metric("dataset_dynamodb_stale") == 1
    assert (edge.metric("dynamodb_stream_checkpoint_age_ms") or 0) > 29 * HOUR * 1000
    assert len(house.table.calls) == asked
