"""The manual's table of ages, played by nodes that have nothing but an old snapshot.

DynamoDB Local's clock is moved, the bucket's is not: a snapshot's age is that of its position in
the stream, so it is told by the clock of the stream.
"""

from pathlib import Path

import pytest

from tests.e2e.ageing import SCAN, Copy, MakeAgeing
from tests.e2e.nodes import Document, differences
from tests.restorer.ages_doc import BEHAVIORS, age_rows, wanted

BEHAVING: dict[str, Document] = {
    name: {"dynamodb_stream_shard_not_found_behavior": name} for name in BEHAVIORS
}


@pytest.mark.slow
def test_nodes_with_nothing_but_an_old_snapshot_do_what_the_manual_says(
    make_ageing: MakeAgeing, tmp_path: Path
) -> None:
    bucket = {"location": f"file://{tmp_path / 'bucket'}"}
    publishing = {"snapshots": "enabled", "snapshots_trigger_threshold": "1s"}
    writer = make_ageing("sqlite", BEHAVING, acceleration=publishing, snapshots=bucket)
    table = writer.table
    writer.node.start()
    for copy in writer.copies.values():
        copy.wait_ready()
        copy.wait_for_records(table.changes)
        copy.wait_for_snapshot()
    assert writer.node.stop() == 0
    published, followed = table.items(), table.changes
    table.change()

    for hours, passing in ((17, 17), (19, 2), (25, 6)):
        table.clock.advance(hours=passing)
        table.change()
        new = make_ageing(
            "sqlite",
            BEHAVING,
            of=table,
            acceleration={"snapshots": "bootstrap_only"},
            snapshots=bucket,
        )
        for copy in new.copies.values():
            copy.gate.hold(SCAN)
        new.node.start()
        for name, word in wanted(hours).items():
            check(word, new.copies[name], len(published), table.changes - followed)
            new.copies[name].gate.let_go()
        new.stop_when_equal(*(name for name, word in wanted(hours).items() if word != "refuses"))

    assert {row.of_edge for row in age_rows()} == {"serves"}
    edge = make_ageing("sqlite", BEHAVING, of=table, snapshots=bucket, runtime={"role": "edge"})
    edge.node.start()
    for copy in edge.copies.values():
        # How old that is it tells by the machine's clock: it has no answer of the service.
        copy.wait_for_any_answer(len(published))
    assert edge.node.stop() == 0
    for copy in edge.copies.values():
        assert not copy.gate.calls  # not one call of any kind
        assert differences(published, copy.items()) == ""


def check(word: str, copy: Copy, old_rows: int, missed: int) -> None:
    if word == "resumes":
        copy.wait_ready()
        copy.wait_for_records(missed)
        assert copy.status()["restore"]["decision"] == "restore"
    elif word == "refuses":
        copy.wait_for_problem(6)
    else:
        copy.wait_until("a scan that waits", lambda: copy.gate.calls[SCAN] > 0)
        serves = word.startswith("serves")
        copy.wait_until(
            "what it serves",
            lambda: copy.count() == ((old_rows, True) if serves else (None, False)),
        )
    assert (copy.gate.calls[SCAN] > 0) == word.endswith("rebuilds")
