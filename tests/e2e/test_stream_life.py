"""What happens to a stream while a node follows it, for real: rollovers, time to live, its end.

Two clocks of DynamoDB Local: one runs 1,800 times faster, so that its shards roll over each 8 s;
one is moved by the test. The node has the machine's clock either way. (It could not have theirs:
under libfaketime a Python process waits for ever, because its locks wait by a clock that is not
faked. And the service's clock is never the node's own.)
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.ageing import SCAN, MakeAgeing, making
from tests.e2e.nodes import Node, differences
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.moving_clock import MovingClock


@pytest.mark.slow
def test_a_node_lives_through_three_rollovers(
    dynamodb_local_faketime: Callable[[str], DynamoDBLocal],
    make_node: Callable[..., Node],
    tmp_path: Path,
) -> None:
    server = dynamodb_local_faketime("+0 x1800")
    # A quarter of a second between two polls is as much as seven minutes.
    patient = {"ready_lag": "12h", "dynamodb_stream_poll_interval": "100ms"}
    with making(MovingClock(server, tmp_path / "none"), make_node) as make:
        ageing = make("duckdb", {"rolling": patient})
        table, copy = ageing.table, ageing.copies["rolling"]
        ageing.node.start()
        copy.wait_until("the scan", lambda: bool(copy.node.events("scan_ended")))
        copy.gate.calls.clear()

        def has_rolled_over() -> bool:
            table.put(table.changes % 50)
            time.sleep(0.1)
            return int(copy.status()["shards"].get("finished", 0)) >= 3

        copy.wait_until("three rollovers", has_rolled_over)
        table.delete(7)
        ageing.stop_when_equal("rolling")

        assert copy.gate.calls[SCAN] == 0


@pytest.mark.slow
def test_a_jump_of_hours_costs_iterators_but_no_record_and_brings_deletes_by_time_to_live(
    make_ageing: MakeAgeing,
) -> None:
    """The server looks for items to delete about once a minute of the machine's time."""
    ageing = make_ageing("sqlite", {"living": {}})
    table, copy = ageing.table, ageing.copies["living"]
    table.enable_time_to_live("until")
    in_an_hour = {"N": str(int(table.clock.now()) + 3600)}
    for number in range(100, 105):
        table.put(number, until=in_an_hour)
    ageing.node.start()
    copy.wait_ready()
    copy.wait_for_records(table.changes)
    copy.gate.calls.clear()

    table.clock.advance(hours=2)

    copy.wait_until("deletes", lambda: copy.status()["ttl_deletes_total"] >= 5)
    table.delete(1)  # and one by hand
    copy.wait_for_records(table.changes + 5)
    assert copy.status()["ttl_deletes_total"] == 5
    assert copy.status()["errors_total"]["IteratorExpired"] > 0
    assert copy.count() == (59, False)
    ageing.stop_when_equal("living")
    assert copy.gate.calls[SCAN] == 0


def test_a_disabled_stream_is_read_to_its_end_and_one_enabled_again_is_left_to_a_person(
    make_ageing: MakeAgeing,
) -> None:
    ageing = make_ageing("duckdb", {"ending": {}})
    table, node, copy = ageing.table, ageing.node, ageing.copies["ending"]
    node.start()
    copy.wait_ready()
    table.change()

    table.set_stream(None)

    def is_said() -> bool:
        problem = copy.status()["problem"]
        return problem is not None and "disabled and read to its end" in problem["message"]

    copy.wait_until("it is said", is_said)
    copy.wait_for_records(table.changes)
    old = table.items()
    assert copy.status()["ready"]
    assert copy.count()[0] == len(old)
    assert node.stop() == 0
    assert differences(old, copy.items()) == ""

    node.start()
    assert "has no enabled stream" in copy.wait_for_problem(7)
    assert node.stop() == 0

    table.put(0)  # a change that is in no stream
    table.set_stream("NEW_AND_OLD_IMAGES")
    node.start()
    message = copy.wait_for_problem(3)
    assert f"the stream of {table.name} is not the one that the file was built from" in message
    assert node.stop() == 0
    assert differences(old, copy.items()) == ""
    done = node.verb("bootstrap", "--replace")
    assert done.code == 0, done.err
    assert differences(table.items(), copy.items()) == ""
