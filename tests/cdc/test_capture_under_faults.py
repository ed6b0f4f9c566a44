"""Capture of a real table over a line that breaks: nothing is lost, doubled or half applied."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdc.accelerator import Engine
from cdc.capture import Capture
from cdc.capture_status import CaptureStatus
from tests.cdc.follower import QUICK, Follower, number, text, wait
from tests.servers import faults
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.faults import Fault, When, action, action_of
from tests.servers.proxy import FaultProxy, Rule, fault_proxy

ROWS = 40
FAULTS = [
    faults.late(0.1),
    faults.RESET,
    faults.RESET_WITHIN,
    faults.LOST_ANSWER,
    faults.CUT_SHORT,
    faults.WRONG_BYTE,
    faults.trickle(20_000),
    faults.THROTTLED,
    faults.DYNAMODB_ERROR,
    faults.DYNAMODB_AWAY,
]
# botocore asks three times: so many faults in a row reach capture itself.
IN_A_ROW = 3
SETTINGS = replace(QUICK, poll_interval_seconds=0.05, scan_segments=len(FAULTS))


@pytest.fixture
def proxy(dynamodb_local: DynamoDBLocal) -> Iterator[FaultProxy]:
    with fault_proxy(dynamodb_local.endpoint_url) as made:
        yield made


def follower_of(
    server: DynamoDBLocal, proxy: FaultProxy, path: Path, engine: Engine = "sqlite"
) -> Follower:
    """A table with rows, and a capture that reaches it through the proxy only."""
    follower = Follower(server, server.table(), path, engine, proxy.endpoint_url)
    follower.settings = SETTINGS
    for index in range(ROWS):
        follower.put(id=text(f"k-{index}"), v=number(index))
    return follower


def change(follower: Follower) -> int:
    """Returns how many records come of it."""
    follower.put(id=text("new"), v=number(1))
    follower.put(id=text("k-3"), v=text("a word now"))
    follower.delete(id=text("k-4"))
    return 3


def segment(index: int) -> When:
    """Scan calls of one segment."""
    return lambda request: (
        action_of(request) == "Scan" and (json.loads(request.body)["Segment"] == index)
    )


def wait_for_records(capture: Capture, records: int) -> None:
    """The status is a moment later than the file."""
    wait(lambda: capture.status().records_total >= records)
    assert capture.status().records_total == records


def wait_until_used_up(rule: Rule) -> None:
    wait(lambda: rule.left == 0)


def test_each_fault_during_a_bootstrap_loses_and_doubles_nothing(
    dynamodb_local: DynamoDBLocal, proxy: FaultProxy, tmp_path: Path
) -> None:
    follower = follower_of(dynamodb_local, proxy, tmp_path / "file", "duckdb")
    for call in ("DescribeTable", "DescribeStream", "GetShardIterator"):
        proxy.fail(faults.RESET, action(call), 1)
        proxy.fail(faults.CUT_SHORT, action(call), 1)
    rules = [
        *(proxy.fail(each, segment(index), IN_A_ROW) for index, each in enumerate(FAULTS)),
        *(proxy.fail(each, action("GetRecords"), 1) for each in FAULTS),
    ]

    with follower.running() as capture:
        wait_for_records(capture, ROWS)
        assert follower.equals_the_table()
        assert capture.status().scan.rows == ROWS
        assert capture.status().errors.keys() == {"SourceUnreachable", "Throttled"}

    assert all(rule.hits for rule in rules)


def test_each_fault_while_following_loses_and_doubles_nothing(
    dynamodb_local: DynamoDBLocal, proxy: FaultProxy, tmp_path: Path
) -> None:
    follower = follower_of(dynamodb_local, proxy, tmp_path / "file")

    with follower.running() as capture:
        records = ROWS + change(follower)
        for index, fault in enumerate(FAULTS):
            rule = proxy.fail(fault, action("GetRecords"), 1)
            follower.put(id=text(f"k-{index}"), v=text(fault.name))
            wait_until_used_up(rule)
        for fault in (faults.CUT_SHORT, faults.THROTTLED):
            wait_until_used_up(proxy.fail(fault, action("GetRecords"), IN_A_ROW))
        wait_for_records(capture, records + len(FAULTS))
        assert follower.equals_the_table()
        assert capture.status().errors.keys() == {"SourceUnreachable", "Throttled"}
        assert capture.status().quarantined_total == 0


@pytest.mark.parametrize(
    "engine, fault",
    [("duckdb", faults.WRONG_BYTE), ("sqlite", faults.CUT_SHORT)],
    ids=lambda value: getattr(value, "name", value),
)
def test_of_a_damaged_page_nothing_is_applied(
    dynamodb_local: DynamoDBLocal,
    proxy: FaultProxy,
    tmp_path: Path,
    engine: Engine,
    fault: Fault,
) -> None:
    follower = follower_of(dynamodb_local, proxy, tmp_path / "file", engine)
    scans = proxy.fail(fault, action("Scan"))
    reads = proxy.fail(fault, action("GetRecords"))

    def both_were_damaged(_: CaptureStatus) -> bool:
        return scans.hits > len(FAULTS) and reads.hits >= 3

    with follower.running(both_were_damaged) as capture:
        assert (capture.status().scan.rows, capture.status().records_total) == (0, 0)
        assert follower.file.row_count() == 0
        assert capture.status().errors.keys() == {"SourceUnreachable"}
        proxy.heal()
        wait(follower.equals_the_table)
        assert capture.status().quarantined_total == 0


def test_while_everything_is_closed_capture_waits_and_then_reads_on_without_a_scan(
    dynamodb_local: DynamoDBLocal, proxy: FaultProxy, tmp_path: Path
) -> None:
    follower = follower_of(dynamodb_local, proxy, tmp_path / "file")

    with follower.running() as capture:
        scans = sum(each.action == "Scan" for each in proxy.exchanges)
        proxy.close()
        changes = change(follower)
        wait(lambda: "SourceUnreachable" in capture.status().errors)
        assert capture.status().ready
        proxy.open()
        wait_for_records(capture, ROWS + changes)
        assert follower.equals_the_table()

    assert sum(each.action == "Scan" for each in proxy.exchanges) == scans
