"""A table that was deleted and made again under its name is never adopted, whatever the age.

DynamoDB Local's clock is moved, as in `test_ages.py`.
"""

import pytest

from tests.e2e.ageing import SCAN, MakeAgeing
from tests.e2e.nodes import differences
from tests.restorer.ages_doc import BEHAVIORS


@pytest.mark.parametrize("hours, engine", [(1, "sqlite"), (25, "duckdb")])
def test_a_table_that_was_made_anew_is_left_to_a_person(
    make_ageing: MakeAgeing, hours: int, engine: str
) -> None:
    behaviors = {name: {"dynamodb_stream_shard_not_found_behavior": name} for name in BEHAVIORS}
    ageing = make_ageing(engine, behaviors)
    table, node, copies = ageing.table, ageing.node, ageing.copies
    node.start()
    for copy in copies.values():
        copy.wait_ready()
    assert node.stop() == 0
    old = table.items()
    table.make_anew()
    table.clock.advance(hours=hours)
    table.put(1)
    for copy in copies.values():
        copy.gate.calls.clear()

    node.start()

    for name, copy in copies.items():
        if name == "error" and hours > 24:
            copy.wait_for_problem(6)  # too old is said first
            continue
        message = copy.wait_for_problem(3)
        assert f"the table of {table.name} is not the one that the file was built from" in message
    assert node.stop() == 0
    for copy in copies.values():
        assert copy.gate.calls[SCAN] == 0
        assert differences(old, copy.items()) == ""

    done = node.verb("bootstrap", "--dataset", "error", "--replace")
    assert done.code == 0, done.err
    assert differences(table.items(), copies["error"].items()) == ""
