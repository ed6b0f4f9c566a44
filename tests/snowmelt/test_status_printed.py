"""What `snowmelt status` prints for people."""

from dataclasses import replace

import pytest

from snowmelt.cli.tables import print_status
from snowmelt.status import Problem, SnapshotStatus
from tests.snowmelt.metrics_doc import EXAMPLE


def printed(capsys: pytest.CaptureFixture[str], **facts: object) -> list[str]:
    facts = {"refresh": None, "follow": None, "problem": None} | facts
    print_status([replace(EXAMPLE, **facts).to_json()])  # type: ignore[arg-type]  # by name
    return capsys.readouterr().out.splitlines()[2:]


def test_values_in_rest_are_told_by_attribute_the_most_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    some = {"[/b]": 5, "a\n": 5, "b": 9}
    many = {f"name-{number}": number for number in range(1, 8)}

    assert printed(capsys, misfits={}) == []
    assert printed(capsys, misfits=some) == [
        "pipelines: in _rest, because no column holds them: b 9, [/b] 5, 'a\\n' 5"
    ]
    assert printed(capsys, misfits=many) == [
        (
            "pipelines: in _rest, because no column holds them: "
            "name-7 7, name-6 6, name-5 5, name-4 4, name-3 3 and 2 more"
        )
    ]


def test_where_an_edge_stands_is_told_and_what_keeps_it_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert EXAMPLE.follow is not None
    follow = {**EXAMPLE.follow, "answered_at": None, "held_because": "a [look]"}

    assert printed(capsys, misfits={}, follow=follow) == [
        (
            "pipelines: follows snapshots, asks every 1m; the data is 1m 15s old, "
            "120 versions behind the newest snapshot; the bucket answered never"
        ),
        "pipelines: followers are held: a [look]",
        (
            "pipelines: 000003-000000004600-20261122T061415506Z was found unusable, "
            "and is not tried for now"
        ),
    ]


def test_records_in_quarantine_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem("2 records could not be decoded", "the node goes on meanwhile", 7, None)

    assert printed(capsys, misfits={}, problem=problem) == [
        "pipelines: 2 records could not be decoded; the node goes on meanwhile"
    ]


def test_why_nothing_is_published_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert EXAMPLE.snapshot is not None
    held = replace(EXAMPLE.snapshot, held_because=("pipelines is held at ID: look [first]",))

    assert printed(capsys, misfits={}, snapshot=held) == [
        "pipelines: no snapshot is published: pipelines is held at ID: look [first]"
    ]


def test_a_node_that_waits_for_the_lease_says_who_publishes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waits = SnapshotStatus(enabled=True, lease="waiting", lease_holder="centre/[7]")

    assert printed(capsys, misfits={}, snapshot=waits) == [
        "pipelines: published by centre/[7]; this node waits"
    ]
