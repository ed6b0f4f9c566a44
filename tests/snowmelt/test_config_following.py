"""A dataset that follows snapshots: three ways to say so, and what contradicts them."""

import pytest

from snowmelt.wiring import wire
from tests.snowmelt.files import problems, read

SNAPSHOTS = """\
version: v1
snapshots: { location: "s3://bucket/prefix" }
"""
BY_SOURCE = SNAPSHOTS + "datasets:\n  - { from: snapshot:pipelines, name: pipelines }\n"
BY_MODE = SNAPSHOTS + (
    "datasets:\n  - { from: dynamodb:table, name: pipelines, "
    "acceleration: { refresh_mode: snapshot } }\n"
)
BY_ROLE = SNAPSHOTS + (
    "datasets:\n  - { from: dynamodb:table, name: pipelines }\nruntime: { role: edge }\n"
)


@pytest.mark.parametrize("text", [BY_SOURCE, BY_MODE, BY_ROLE], ids=["source", "mode", "role"])
def test_a_dataset_follows_snapshots_by_its_source_its_mode_or_the_nodes_role(text: str) -> None:
    loaded = read(text)

    plan = wire(loaded.config, loaded.config.dataset("pipelines"))

    assert loaded.warnings == ()
    assert (plan.role, plan.restores, plan.publishes) == ("edge", True, False)
    assert plan.section.acceleration.look_seconds == 60
    assert plan.section.acceleration.stale_seconds == 2 * 3600


def test_one_dataset_follows_snapshots_beside_one_that_follows_its_table() -> None:
    text = BY_SOURCE + "  - { from: dynamodb:routes, name: routes }\n"

    config = read(text).config

    assert [wire(config, section).role for section in config.datasets] == ["edge", "central"]


def test_how_often_is_asked_and_what_is_stale_are_settings() -> None:
    more = "refresh_mode: snapshot, refresh_check_interval: 500ms, max_staleness: 10m"

    section = read(BY_MODE.replace("refresh_mode: snapshot", more)).config.datasets[0]

    assert section.acceleration.look_seconds == 0.5
    assert section.acceleration.stale_seconds == 600


def test_a_file_shared_with_the_centre_keeps_the_interval_of_its_refreshes_from_an_edge() -> None:
    more = "acceleration: { refresh_mode: full, refresh_check_interval: 6h }"

    loaded = read(BY_ROLE.replace("name: pipelines }", f"name: pipelines, {more} }}"))

    assert loaded.config.datasets[0].acceleration.look_seconds == 60
    assert loaded.warnings == ()


CONTRADICTIONS = {
    "another mode": (
        BY_SOURCE.replace("s }", "s, acceleration: { refresh_mode: changes } }"),
        (
            "datasets[0]: from is snapshot:pipelines and refresh_mode is changes; "
            "write snapshot or leave refresh_mode out"
        ),
    ),
    "another name": (
        BY_SOURCE.replace("name: pipelines", "name: routes"),
        "datasets[0]: from is snapshot:pipelines, so the name is pipelines too: it is in the file",
    ),
    "publishing": (
        BY_MODE.replace("snapshot }", "snapshot, snapshots: create_only }"),
        (
            "datasets[0].acceleration: refresh_mode is snapshot, so snapshots are read and none is "
            "made; create_only contradicts that: leave snapshots out, or write bootstrap_only"
        ),
    ),
    "not reading": (
        BY_MODE.replace("snapshot }", "snapshot, snapshots: disabled }"),
        (
            "datasets[0].acceleration: refresh_mode is snapshot, so snapshots are read and none is "
            "made; disabled contradicts that: leave snapshots out, or write bootstrap_only"
        ),
    ),
    "no store": (
        BY_SOURCE.replace('snapshots: { location: "s3://bucket/prefix" }\n', ""),
        "datasets: pipelines follows snapshots; set snapshots.location",
    ),
    "a hurry": (
        BY_MODE.replace("snapshot }", "snapshot, refresh_check_interval: 50ms }"),
        "datasets[0].acceleration.refresh_check_interval: must be at least 100ms; write e.g. 60s",
    ),
}


@pytest.mark.parametrize("text, problem", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_what_contradicts_that_is_one_line(text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_what_only_a_publisher_decides_is_named_in_warnings() -> None:
    given = "params: { dynamodb_aws_region: eu-west-1 }, acceleration: { indexes: from_table }"

    warnings = read(BY_SOURCE.replace("s }", f"s, {given} }}")).warnings

    publisher = "it is for the node that publishes the snapshots"
    assert warnings == (
        "datasets[0].params: has no effect: snapshots are followed, and no table is read",
        f"datasets[0].acceleration.indexes: has no effect: {publisher}",
    )


def test_a_staleness_is_told_to_be_in_vain_where_a_table_is_followed() -> None:
    text = BY_SOURCE.replace("snapshot:", "dynamodb:")

    warnings = read(text.replace("s }", "s, acceleration: { max_staleness: 1h } }")).warnings

    why = "only a dataset that follows snapshots has it"
    assert warnings == (f"datasets[0].acceleration.max_staleness: has no effect: {why}",)
