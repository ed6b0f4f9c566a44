"""What `explain` and `restore --dry-run` say a restore would still fetch, in text and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdc.accelerator import Engine
from restorer.decision import decide
from restorer.facts import LocalFile, Policy
from restorer.foreseen import Foreseen, SeedFile
from snapshotter.store import ObjectStore
from snowmelt.cli import execute
from snowmelt.cli.decision_table import decision_lines
from snowmelt.coldstart import describe_decision, explain, still_rebuilds
from tests.restorer.accelerators import DATASET
from tests.restorer.conftest import Produce, produce, store
from tests.restorer.offers import candidate, facts, published
from tests.snowmelt.edges import Centre, Edge

__all__ = ["produce", "store"]

Say = Callable[..., str]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """A verb's output, of a command that ends with 0."""

    def said(*words: str) -> str:
        assert execute([*words]) == 0
        return capsys.readouterr().out

    return said


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_dry_run_names_the_seeds_and_is_close_to_the_restore_behind_it(
    store: ObjectStore, produce: Produce, tmp_path: Path, say: Say, engine: Engine
) -> None:
    producer = produce(engine, rows=5_000)
    while producer.accelerator.maintain(idle=True).is_pending:
        pass
    producer.publish()
    producer.put(0, 50, seed=2)
    producer.publish()
    producer.close()
    words = ["restore", "--location", store.url, "--dataset", DATASET, "--progress", "none"]
    words += ["--output", str(tmp_path / "copy")]
    seeds = ["--seed", str(producer.path), "--seed", str(tmp_path / "gone")]

    whole = json.loads(say(*words, "--dry-run", "--json"))
    planned = json.loads(say(*words, *seeds, "--dry-run", "--json"))
    told = say(*words, *seeds, "--dry-run")
    done = json.loads(say(*words, *seeds, "--json"))

    assert whole["foreseen"] == {
        "bytes_to_fetch": whole["numbers"]["download_bytes"],
        "bytes_seeded": 0,
        "bytes_kept": 0,
        "margin_bytes": 0,
        "is_estimate": False,
        "sampled_blocks": 0,
        "seeds": [],
        "unknown_because": None,
    }
    found = planned["foreseen"]
    (seed,) = found["seeds"]
    assert seed["path"] == str(producer.path)
    assert found["is_estimate"]
    # Within a hundredth of the whole; the file is so small that all of it is looked at.
    assert abs(found["bytes_to_fetch"] - done["bytes_fetched"]) <= 0.01 * done["bytes_seeded"]
    assert abs(found["bytes_seeded"] - done["bytes_seeded"]) <= 0.01 * done["bytes_seeded"]
    assert planned["numbers"]["download_bytes"] == whole["numbers"]["download_bytes"]
    assert f"    {producer.path}: has {seed['blocks_found']:,} of them\n" in told
    assert f" by a look at {found['sampled_blocks']:,} blocks; the time is that of all\n" in told


def lines(foreseen: Foreseen | None) -> list[str]:
    """What is printed between the time and the disk."""
    decision = decide(published(candidate(9)), LocalFile(), Policy(role="edge"), facts())
    said = decision_lines(describe_decision("d", decision, foreseen))
    (time,) = (at for at, line in enumerate(said) if line.startswith("  time: "))
    (disk,) = (at for at, line in enumerate(said) if line.startswith("  disk: "))
    return said[time + 1 : disk]


def test_an_estimate_is_called_one_with_its_margin_and_its_files() -> None:
    seeds = (SeedFile(Path("/data/live"), 3900), SeedFile(Path("/data/pipe")))
    one = Foreseen(3_250_585, 56_749_415, 0, 1_048_576, sampled_blocks=4096, seeds=seeds)

    doubt = "give or take 1.0 MiB, by a sample of 4,096 blocks"
    assert lines(one) == [
        f"  fetch: about 3.1 MiB, {doubt}; the time is that of all",
        "    /data/live: has 3,900 of them",
        "    /data/pipe: cannot be read",
    ]


def test_what_is_not_known_is_null_and_said_to_be() -> None:
    one = Foreseen(seeds=(SeedFile(Path("/data/live")),), unknown_because="it went away")

    assert lines(one) == [
        "  fetch: not known, because it went away",
        "    would look at /data/live",
    ]
    document = one.to_json()
    assert [document[f"bytes_{name}"] for name in ("to_fetch", "seeded", "kept")] == [None] * 3
    assert document["margin_bytes"] is None


def test_all_and_nothing_are_said_in_words() -> None:
    staged = (SeedFile(Path("/data/live.d/1/live")),)

    assert lines(Foreseen(60_000_000, 0, 0, 0, is_estimate=False)) == [
        "  fetch: all of it, no file here has any"
    ]
    assert lines(Foreseen(0, 0, 60_000_000, 0, seeds=staged)) == [
        "  fetch: nothing, if what an interrupted restore had fetched proves right"
    ]
    assert lines(None) == []


# ---------------------------------------------------------------- explain, of an edge


@pytest.fixture
def centre(store: ObjectStore, tmp_path: Path) -> Iterator[Centre]:
    made = Centre(store, tmp_path / "centre.db", "sqlite")
    made.change(0, 2000)
    while made.accelerator.maintain(idle=True).is_pending:
        pass
    made.publish()
    yield made
    made.close()


@pytest.fixture
def edge(centre: Centre, tmp_path: Path) -> Iterator[Edge]:
    """One that serves the first snapshot, and has not looked since."""
    made = Edge(tmp_path, centre.store).start()
    yield made
    made.stop()


def fetched(edge: Edge) -> int:
    return int(edge.follow["bytes_fetched_total"])


def test_a_running_edge_foresees_what_its_next_look_fetches(centre: Centre, edge: Edge) -> None:
    assert edge.runtime.explain()["foreseen"] is None  # it is at the newest
    before = fetched(edge)
    centre.publish_change(0, 5)

    found = edge.runtime.explain()["foreseen"]

    edge.look()
    assert found["seeds"][0]["path"] == str(edge.path)
    assert 0 < found["bytes_to_fetch"] == fetched(edge) - before
    assert edge.runtime.explain()["foreseen"] is None


def test_explain_reads_the_file_of_an_edge_that_does_not_run(
    centre: Centre, edge: Edge, tmp_path: Path, say: Say
) -> None:
    edge.stop()
    centre.publish_change(0, 5)
    nobody = {"admin": "127.0.0.1:9", "query": "127.0.0.1:9"}
    config = tmp_path / "edge.yaml"
    config.write_text(yaml.safe_dump(edge.document | {"runtime": nobody}))

    found: dict[str, Any] = json.loads(say("explain", "-c", str(config), "--json"))["foreseen"]
    told = say("explain", "-c", str(config))
    done = json.loads(say("restore", "-c", str(config), "--progress", "none", "--json"))

    assert f"    {edge.path}: has " in told
    assert found["seeds"][0]["blocks_found"] > 0
    assert found["bytes_to_fetch"] == done["bytes_fetched"] > 0
    assert found["bytes_seeded"] == done["bytes_seeded"] > 0


def test_a_node_that_decides_for_itself_takes_no_sample(centre: Centre, edge: Edge) -> None:
    edge.stop()
    centre.publish_change(0, 5)
    edge.asked()

    assert not still_rebuilds(edge.plan(), None)
    asked = [key for _, key in edge.asked()]
    assert explain(edge.plan())["foreseen"]["is_estimate"]
    looked = [key for _, key in edge.asked()]

    assert not [key for key in asked if key.endswith("/manifest")]
    assert [key for key in looked if key.endswith("/manifest")]
