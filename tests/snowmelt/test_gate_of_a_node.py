"""A running node at the publish gate: what it refuses, tells, and does once when it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snapshotter import gate, marks
from snapshotter.catalog_change import change_catalog
from tests.simulators.household import HOUR, MINUTE, STREAM_CALLS, Household, VirtualNode, household

ROWS = 60
OFTEN = {"snapshots_trigger_threshold": "1m"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path, rows=ROWS) as made:
        yield made


@pytest.fixture
def node(house: Household) -> VirtualNode:
    made = house.node("node", acceleration=OFTEN).start().live(3 * MINUTE)
    assert published(house) == [ROWS]
    return made


def published(house: Household) -> list[int]:
    """Rows of each snapshot, oldest first."""
    return [entry.row_count for entry in reversed(house.pointer().catalog)]


def delete(house: Household, count: int) -> None:
    for number in range(count):
        house.table.delete(f"key-{number}")


def snapshot(node: VirtualNode) -> Any:
    return node.status()["snapshot"]


def release(house: Household) -> None:
    change_catalog(house.bucket, house.table.name, marks.release)


# ---------------------------------------------------------------- mass delete


def test_a_mass_delete_holds_the_dataset_and_the_node_goes_on(
    house: Household, node: VirtualNode
) -> None:
    delete(house, 40)
    node.live(5 * MINUTE)
    house.table.put("behind it", value=1)
    node.live(5 * MINUTE)

    assert published(house) == [ROWS]
    assert (house.pointer().hold or "").startswith(f"{gate.MASS_DELETE}40 of 60 rows")
    assert node.serves() == (ROWS - 40 + 1, False)
    assert snapshot(node)["held_reasons"] == ["mass_delete"]
    assert [each["message"] for each in house.logged("mass_delete")] == [
        "40 of 60 rows are gone within 60 min"
    ]
    assert node.metric("dataset_acceleration_snapshot_held") == 1.0
    assert node.create_snapshot()[0] == 409


def test_after_the_release_the_node_publishes_the_fewer_rows_and_goes_on(
    house: Household, node: VirtualNode
) -> None:
    delete(house, 40)
    node.live(5 * MINUTE)
    release(house)
    node.live(2 * MINUTE)

    assert published(house) == [ROWS, ROWS - 40]
    assert snapshot(node)["held_reasons"] == []
    house.table.put("more", value=1)
    node.live(3 * MINUTE)
    assert published(house) == [ROWS, ROWS - 40, ROWS - 40 + 1]


def test_a_hold_that_cannot_be_written_yet_keeps_the_node_from_publishing(
    house: Household, node: VirtualNode
) -> None:
    house.bucket.is_closed = True
    delete(house, 40)
    node.live(3 * MINUTE)
    assert snapshot(node)["held_reasons"] == ["mass_delete"]

    house.bucket.is_closed = False
    node.live(2 * MINUTE)

    assert published(house) == [ROWS]
    assert (house.pointer().hold or "").startswith(gate.MASS_DELETE)


def test_rows_that_are_replaced_or_go_slowly_hold_nothing(
    house: Household, node: VirtualNode
) -> None:
    delete(house, ROWS)
    for number in range(ROWS):
        house.table.put(f"new-{number}", value=number)
    node.live(3 * MINUTE)

    assert published(house) == [ROWS, ROWS]
    assert house.pointer().hold is None


def test_a_node_that_was_away_during_a_mass_delete_is_stopped_by_the_gate(
    house: Household, node: VirtualNode
) -> None:
    node.stop()
    delete(house, 40)
    node.start().live(5 * MINUTE)

    assert published(house) == [ROWS]
    assert snapshot(node)["held_reasons"] == ["shrunk"]
    assert "67 % of its 60 rows are gone, more than 50 %" in snapshot(node)["held_because"][0]


# ---------------------------------------------------------------- force


def test_a_person_overrules_the_gate_once(house: Household, node: VirtualNode) -> None:
    node.stop()
    delete(house, 40)
    node.start().live(5 * MINUTE)

    code, report = node.create_snapshot(force="the tenant left")

    assert code == 201
    assert report["overruled"] == ["shrunk"]
    assert report["reason"] == "asked for, forced: the tenant left"
    assert published(house) == [ROWS, ROWS - 40]
    assert snapshot(node)["held_reasons"] == []
    delete_more = ROWS - 40 - 5
    for number in range(40, 40 + delete_more):
        house.table.delete(f"key-{number}")
    node.live(5 * MINUTE)
    assert published(house) == [ROWS, ROWS - 40]
    assert snapshot(node)["held_reasons"] == ["mass_delete"]


def test_a_reason_to_overrule_is_needed(house: Household, node: VirtualNode) -> None:
    for body in ("{}", '{"force": ""}', '{"force": true}', "[1]", "now"):
        assert node.ask_for_a_snapshot(body)[0] == 400
    assert published(house) == [ROWS]


# ---------------------------------------------------------------- stream


def test_a_stream_that_fails_is_told_and_what_was_read_is_published_when_it_is_back(
    house: Household,
) -> None:
    rarely = {"snapshots_trigger_threshold": "10m"}
    node = house.node("node", acceleration=rarely).start().live(3 * MINUTE)
    house.table.put("read", value=1)
    node.live(MINUTE)
    house.close(*STREAM_CALLS)
    node.live(15 * MINUTE)

    assert published(house) == [ROWS]
    assert node.serves() == (ROWS + 1, True)
    assert "stream_failing" in snapshot(node)["held_reasons"]
    assert "no answer" in snapshot(node)["held_because"][0]

    house.open_everything()
    node.live(5 * MINUTE)
    assert published(house) == [ROWS, ROWS + 1]
    assert snapshot(node)["held_reasons"] == []


def test_a_state_that_lags_waits_until_it_has_caught_up_again(
    house: Household, node: VirtualNode
) -> None:
    house.close("get_records", "open_iterator")
    node.live(2 * HOUR)
    code, refusal = node.create_snapshot()

    assert code == 409
    assert set(snapshot(node)["held_reasons"]) == {"stream_failing", "lagging"}
    assert "changes of 120 min may be missing, more than 60 min" in refusal["error"]
    house.open_everything()
    house.table.put("new", value=1)
    node.live(5 * MINUTE)
    assert published(house)[-1] == ROWS + 1
