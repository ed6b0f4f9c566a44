"""Hours in which everything upstream is away, and minutes in which a permission is."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.simulators.faults import ServiceRefusal
from tests.simulators.household import HOUR, MINUTE, POLL_SECONDS, Household, household, table_items

ROWS = 50
# The longest pause between two tries, and the polls that prove the tip.
CAUGHT_UP = MINUTE + 7 * POLL_SECONDS


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path, rows=ROWS) as made:
        yield made


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path, rows=ROWS, is_served=True) as made:
        yield made


def test_six_hours_with_every_endpoint_closed_are_served_through_two_restarts_and_caught_up(
    house: Household,
) -> None:
    node = house.node("node").start().live(10 * MINUTE)
    assert node.serves() == (ROWS, False)
    scans = house.scans()

    house.close_everything()
    for number in range(5):
        house.clock.after(number * HOUR, partial(house.table.put, f"away-{number}", value=1))
    house.clock.after(90 * MINUTE, lambda: house.table.delete("key-7"))
    for restart in (False, True, True):
        if restart:
            node.stop()
            node.start().live(10.0)
        for _ in range(4):
            assert node.is_ready()
            node.live(HOUR / 2)
            assert node.serves() == (ROWS, True)
            assert node.metric("dataset_dynamodb_stale") == 1
    problem, snapshot = node.status()["problem"], node.status()["snapshot"]
    assert "no answer" in problem["message"]
    assert problem["exit_code"] == 7
    assert house.clock.now - problem["since"] >= 2 * HOUR  # of this process
    assert "nobody answers" in snapshot["problem"]["message"]
    assert len(house.logged("capture_degraded")) == 3  # one for each process

    house.open_everything()
    node.live(CAUGHT_UP)

    assert node.serves() == (ROWS + 4, False)
    assert node.items() == table_items(house.table)
    assert node.status()["problem"] is None
    assert node.status()["snapshot"]["published_total"] == 1
    assert house.pointer().catalog[0].row_count == ROWS + 4
    assert house.scans() == scans
    assert house.logged("capture_recovered")


def test_a_restart_without_a_bucket_goes_on_from_the_file(house: Household) -> None:
    house.node("node").start().live(10 * MINUTE).stop()
    scans = house.scans()
    house.table.put("meanwhile", value=1)
    house.bucket.is_closed = True

    node = house.node("node").start().live(5 * MINUTE)

    assert node.serves() == (ROWS + 1, False)
    assert node.status()["restore"]["decision"] == "keep_local"
    assert node.status()["snapshot"]["problem"]["exit_code"] == 8
    assert house.scans() == scans


def test_ten_minutes_without_permission_to_read_the_stream_are_loud_and_lose_nothing(
    served: Household,
) -> None:
    node = served.node("node").start().live(10 * MINUTE)
    assert node.serves() == (ROWS, False)
    denied = ServiceRefusal("AccessDeniedException", "User is not authorized")
    served.table.fail("get_records", denied, seconds=10 * MINUTE)
    for number in range(9):
        served.clock.after(number * MINUTE, partial(served.table.put, f"n-{number}", value=1))
    action = "dynamodb:GetRecords"

    node.live(5 * MINUTE)

    assert node.status()["state"] == "ready"
    assert node.serves() == (ROWS, True)
    assert action in node.status()["problem"]["message"]
    assert node.status()["problem"]["exit_code"] == 9
    assert f"allow {action} on table/routes/stream/*" in node.status()["problem"]["message"]
    assert [action in each["message"] for each in served.logged("capture_degraded")] == [True]
    assert (node.metric("dynamodb_stream_errors_total") or 0) > 3
    assert (node.metric("dataset_dynamodb_lag_ms") or 0) >= 5 * MINUTE * 1000 - 1000
    assert node.metric("dataset_dynamodb_stale") == 1

    node.live(5 * MINUTE + CAUGHT_UP)

    assert node.serves() == (ROWS + 9, False)
    assert node.items() == table_items(served.table)
    assert node.status()["problem"] is None
    assert node.metric("dataset_dynamodb_stale") == 0
    assert len(served.logged("capture_recovered")) == 1
    assert len(served.logged("capture_started")) == len(served.logged("cold_start")) == 1
    assert served.logged("dataset_error") == []
