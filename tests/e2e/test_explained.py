"""`explain` and `restore --dry-run`: what would be done, why, what it takes, what a fleet costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from restorer.decision import decide
from restorer.facts import LocalFile, Policy
from snowmelt.cli.decision_table import decision_lines
from snowmelt.coldstart import describe_decision
from tests.e2e.init import Pod, bucket
from tests.e2e.nodes import Finished, snowmelt
from tests.restorer.accelerators import DATASET, Producer
from tests.restorer.offers import candidate, facts, local, published


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """Two snapshots are published for it."""
    store = bucket(tmp_path)
    producer = Producer(store, tmp_path / "centre.sqlite", "sqlite")
    for seed in (1, 2):
        producer.put(0, 500, seed=seed)
        producer.publish()
    producer.close()
    return Pod(tmp_path / "pod", store.url)


def explained(pod: Pod, *words: str) -> Finished:
    pod.prepare()
    return snowmelt("explain", *words, directory=pod.home, environment=pod.environment)


def test_a_dry_run_says_what_it_would_do_and_what_it_takes_and_writes_nothing(pod: Pod) -> None:
    done = pod.restore("--dry-run", "--json")
    told = pod.restore("--dry-run").out

    planned = done.json()
    newest, older = (each["snapshot_id"] for each in planned["candidates"])
    assert planned["action"] == "restore"
    assert planned["snapshot_id"] == newest
    assert planned["fallbacks"] == [older]
    numbers = planned["numbers"]
    assert numbers["download_bytes"] == planned["candidates"][0]["stored_bytes"] > 0
    assert 0 < numbers["predicted_seconds"] < 1
    assert 0 < numbers["disk_needed_bytes"] < numbers["disk_free_bytes"]
    for words in (
        f"{DATASET}: restore\n  because ",
        f"snapshot: {newest}",
        f"fallbacks: {older}",
        "the stream can be resumed until 2",
        "57.2 MiB/s, assumed",
        "disk: needs up to ",
        "reads of the table: none",
    ):
        assert words in told
    assert not pod.file.parent.exists()


def test_explain_says_the_same_and_what_a_fleet_would_ask_of_the_bucket(pod: Pod) -> None:
    planned = explained(pod, "--json", "--fleet", "1000").json()
    told = explained(pod, "--fleet", "1000").out

    assert planned["action"] == "restore"
    fleet = planned["fleet"]
    assert fleet["nodes"] == 1000
    assert fleet["requests_a_month"] > 1000 * 30 * 24 * 60  # one look a minute
    assert fleet["dollars_a_month"] > 0
    assert fleet["bytes_a_month"] > 0
    assert "1,000 nodes that follow: " in told
    assert "looks at the pointer: " in told


def test_a_fleet_of_nobody_is_refused(pod: Pod) -> None:
    assert explained(pod, "--fleet", "0").code == 2


def test_the_speed_of_the_last_restore_is_what_the_next_is_predicted_by(pod: Pod) -> None:
    assert pod.restore().code == 0
    memory = pod.file.with_name(f"{pod.file.name}.d") / "restored.json"
    remembered = json.loads(memory.read_text())
    phases = {"fetch": 1.5, "fsync": 0.25, "prove": 0.25, "pointer": 9.0}
    memory.write_text(json.dumps({**remembered, "bytes_fetched": 20_000_000, "phases": phases}))

    numbers = pod.restore("--dry-run", "--json").json()["numbers"]

    assert numbers["throughput_bytes_per_second"] == 20_000_000 / 2.0


@pytest.mark.parametrize("damage", ["", "{}", '{"phases": 1}', "[]"])
def test_a_memory_that_is_no_more_readable_is_none(pod: Pod, damage: str) -> None:
    assert pod.restore().code == 0
    (pod.file.with_name(f"{pod.file.name}.d") / "restored.json").write_text(damage)

    done = pod.restore("--dry-run", "--json")

    assert done.json()["numbers"]["throughput_bytes_per_second"] == 60e6, done.err


def test_a_refusal_is_shown_with_its_code_and_a_bootstrap_with_its_read_units() -> None:
    refused = decide(published(), local(7, 25.0), Policy(), facts())
    loading = decide(published(), LocalFile(), Policy(), facts())

    assert decision_lines(describe_decision("d", refused))[0] == "d: refuse (exit code 6)"
    assert decision_lines(describe_decision("d", loading))[-1].endswith("about 40,000 read units")


def test_a_central_node_is_told_how_long_the_changes_since_take() -> None:
    slow = facts(throughput_bytes_per_second=1e6)
    decision = decide(published(candidate(9, 2.0)), LocalFile(), Policy(), slow)

    (line,) = (each for each in decision_lines(describe_decision("d", decision)) if "time" in each)

    assert line == (
        "  time: 57.2 MiB in about 1m 0s at 976.6 KiB/s, as the last restore here;"
        " then 2m 1s for the changes since"
    )
