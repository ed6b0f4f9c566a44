"""What happens to a stream while a node follows it, for real: time to live, its end.

DynamoDB Local's clock is moved by the test; the node has the machine's. (It could not have the
other: under libfaketime a Python process waits for ever, because its locks wait by a clock that is
not faked. And the service's clock is never the node's own.) `tests.conformance` has rollovers.
"""

import pytest

from tests.e2e.ageing import SCAN, MakeAgeing
from tests.e2e.nodes import differences


@pytest.mark.slow
def test_a_jump_of_hours_costs_iterators_but_no_record_and_brings_deletes_by_time_to_live(
    make_ageing: MakeAgeing,
) -> None:
    """The server looks for items to delete about once a minute of the machine's time."""
    ageing = make_ageing("sqlite", {"living": {}})
    ageing.node.patience_seconds += 120
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
    copy.wait_for_count(59)
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
