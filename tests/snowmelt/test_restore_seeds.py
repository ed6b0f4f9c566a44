"""What a person sees of a restore for which a file here had blocks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdc.engines import sidecars
from restorer.facts import ASSUMED_THROUGHPUT
from restorer.switch import Origin, switch, work_directory
from snapshotter.store import ObjectStore
from snowmelt.cli import execute
from snowmelt.restored import remember, throughput
from tests.restorer.accelerators import DATASET
from tests.restorer.conftest import Produce, produce, store
from tests.restorer.offers import LINEAGE

__all__ = ["produce", "store"]


def test_a_seed_is_named_on_the_command_line_and_told(
    store: ObjectStore, produce: Produce, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    producer = produce("duckdb", rows=5_000)
    while producer.accelerator.maintain(idle=True).is_pending:
        pass
    producer.publish()
    producer.close()
    words = ["restore", "--location", store.url, "--dataset", DATASET, "--progress", "none"]
    words += ["--seed", str(producer.path), "--seed", str(tmp_path / "gone")]

    assert execute([*words, "--output", str(tmp_path / "one"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert execute([*words, "--output", str(tmp_path / "other")]) == 0

    assert found["bytes_seeded"] > found["bytes_fetched"]
    assert "that files here had" in capsys.readouterr().out


@pytest.mark.parametrize(
    "seeded, expected", [(0, 20e6), (19_000_000, 20e6), (400_000_000, ASSUMED_THROUGHPUT)]
)
def test_a_restore_of_what_was_mostly_here_says_nothing_of_the_line(
    tmp_path: Path, seeded: int, expected: float
) -> None:
    path = tmp_path / "file"
    snapshot_id = "000001-000000000017-20260922T120000123Z"
    staged = work_directory(path) / snapshot_id / "file"
    staged.parent.mkdir(parents=True)
    staged.write_text("restored")
    switch(path, staged, sidecars("duckdb", path), Origin(snapshot_id, "file:///b", LINEAGE))
    report = {"snapshot_id": snapshot_id, "phases": {"fetch": 1.0}, "rejected": []}
    remember(path, {**report, "bytes_fetched": 20_000_000, "bytes_seeded": seeded})

    assert throughput(path) == expected
