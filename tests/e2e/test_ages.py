"""The manual's table of ages, played: a node starts again with files of 17, 19 and 25 hours.

The words of the table come from the manual itself. DynamoDB Local's clock is moved while the node
is stopped, so its records are as old as it says, and are trimmed after 24 hours. What each dataset
asked of DynamoDB is counted on the way there.
"""

import pytest

from restorer.facts import NearExpired
from tests.e2e.ageing import SCAN, Copy, MakeAgeing
from tests.e2e.nodes import Document, differences
from tests.restorer.ages_doc import BEHAVIORS, wanted


def behaving(rules: tuple[NearExpired, ...]) -> dict[str, Document]:
    """A dataset for each behaviour and rule, named by both."""
    return {
        f"{behavior}_{rule}": {
            "near_expired": rule,
            "dynamodb_stream_shard_not_found_behavior": behavior,
        }
        for behavior in BEHAVIORS
        for rule in rules
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "hours, engine, rules",
    [
        (17, "duckdb", ("recover",)),
        (19, "sqlite", ("recover", "try_resume")),
        (25, "duckdb", ("recover",)),
        (25, "sqlite", ("recover",)),
    ],
)
def test_a_node_that_starts_with_old_files_does_what_the_manual_says(
    make_ageing: MakeAgeing, hours: int, engine: str, rules: tuple[NearExpired, ...]
) -> None:
    ageing = make_ageing(engine, behaving(rules))
    table, node, copies = ageing.table, ageing.node, ageing.copies
    words = {
        f"{behavior}_{rule}": word
        for rule in rules
        for behavior, word in wanted(hours, rule).items()
    }
    node.start()
    for copy in copies.values():
        copy.wait_ready()
    table.change()
    for copy in copies.values():
        copy.wait_for_records(table.changes)  # all of it, from before the scan on
    lineages = {name: copy.status()["lineage_id"] for name, copy in copies.items()}
    assert node.stop() == 0
    old, followed = table.items(), table.changes
    table.change()
    table.clock.advance(hours=hours)
    table.change()

    for copy in copies.values():
        copy.gate.calls.clear()
        copy.gate.hold(SCAN)
    node.start()

    for name, word in words.items():
        check = {
            "resumes": resumes,
            "refuses": refuses,
            "serves and rebuilds": serves_stale,
            "rebuilds": serves_nothing,
        }
        check[word](copies[name], len(old), table.changes - followed)
    for name, word in words.items():
        copy, rebuilds = copies[name], word.endswith("rebuilds")
        assert (copy.gate.calls[SCAN] > 0) == rebuilds, name
        copy.gate.let_go()
        if rebuilds:
            answers_when_rebuilt(copy)
        if word != "refuses":
            copy.wait_for_count(len(old) + 8)
            assert (copy.status()["lineage_id"] == lineages[name]) == (not rebuilds)
    ageing.stop_when_equal(*(name for name, word in words.items() if word != "refuses"))
    for name, word in words.items():
        if word == "refuses":
            assert differences(old, copies[name].items()) == "", name


def answers_when_rebuilt(copy: Copy) -> None:
    """Ready means that it answers, also while the new file takes the place of the old one."""

    def is_rebuilt() -> bool:
        return copy.name in {event["dataset"] for event in copy.node.events("rebuilt")}

    copy.wait_until("a new file", is_rebuilt)
    copy.wait_ready()
    assert copy.count()[0] is not None


def resumes(copy: Copy, _old_rows: int, missed: int) -> None:
    """None lost, none read twice."""
    copy.wait_ready()
    copy.wait_for_records(missed)


def refuses(copy: Copy, _old_rows: int, _missed: int) -> None:
    copy.wait_for_problem(6)
    assert not copy.status()["ready"]
    assert copy.count() == (None, False)


def serves_stale(copy: Copy, old_rows: int, _missed: int) -> None:
    copy.wait_until("a scan that waits", lambda: copy.gate.calls[SCAN] > 0)
    copy.wait_for_count(old_rows, is_stale=True)
    assert copy.status()["ready"]


def serves_nothing(copy: Copy, _old_rows: int, _missed: int) -> None:
    copy.wait_until("a scan that waits", lambda: copy.gate.calls[SCAN] > 0)
    assert not copy.status()["ready"]
    assert copy.count() == (None, False)
