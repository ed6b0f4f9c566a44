"""The bounds of the publish gate in a configuration, and a person who overrules it by the verb."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from cdc.engines import open_accelerator
from snapshotter.objections import Bounds
from snapshotter.reader import read_pointer
from snowmelt.cli import execute
from snowmelt.config_file import parse
from snowmelt.config_gate import GateSection
from tests.restorer.accelerators import DATASET, KEYS, batch_of, rows_of
from tests.snapshotter.bench import file_store
from tests.snapshotter.images import checkpoint
from tests.snowmelt.places import place


def gate_of(folder: Path, **gate: object) -> GateSection:
    made = place(folder)
    made.store_at(f"file://{folder}/store")
    made.config["snapshots"]["gate"] = gate
    snapshots = parse(yaml.safe_dump(made.config), {}, "test").config.snapshots
    assert snapshots is not None
    return snapshots.gate


def test_without_settings_half_of_the_rows_and_an_hour_are_the_bounds(tmp_path: Path) -> None:
    assert gate_of(tmp_path).bounds == Bounds(max_shrink=0.5, max_lag_seconds=3600)
    assert gate_of(tmp_path).shrink_window == 3600


def test_the_bounds_are_set_for_all_datasets_of_a_file(tmp_path: Path) -> None:
    gate = gate_of(tmp_path, max_shrink=0.2, max_lag="10m", shrink_window="30m")

    assert gate.bounds == Bounds(0.2, 600)
    assert gate.shrink_window == 1800


@pytest.mark.parametrize(
    "gate, line",
    [
        ({"max_shrink": 1}, "snapshots.gate.max_shrink: must be at most 0.95, not 1"),
        ({"max_shrink": 0}, "snapshots.gate.max_shrink: must be at least 0.01, not 0"),
        ({"shrink_window": "5s"}, "snapshots.gate.shrink_window: must be at least 1m"),
        ({"force": True}, "snapshots.gate.force: unknown key"),
    ],
)
def test_no_setting_switches_the_gate_off(
    tmp_path: Path, gate: dict[str, object], line: str
) -> None:
    with pytest.raises(Exception, match=line):
        gate_of(tmp_path, **gate)


# ---------------------------------------------------------------- the verb, without a node


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A table whose published snapshot has 60 rows, and whose file 10."""
    made = place(tmp_path)
    made.dataset["acceleration"]["path"] = str(tmp_path / "live.duckdb")
    made.store_at(f"file://{tmp_path}/store")
    (tmp_path / "node.yaml").write_text(yaml.safe_dump(made.config))
    fill(tmp_path, rows=60, version=1)
    assert create(tmp_path) == 0
    fill(tmp_path, rows=10, version=2)
    return tmp_path


def fill(home: Path, *, rows: int, version: int) -> None:
    for old in ("live.duckdb", "live.duckdb.wal"):
        (home / old).unlink(missing_ok=True)
    file = open_accelerator("duckdb", home / "live.duckdb", DATASET, keys=KEYS, create=True)
    file.apply(batch_of(rows_of(0, rows, 1)), checkpoint(time.time(), version))
    file.close()


def create(home: Path, *arguments: str) -> int:
    return execute(["snapshots", "create", "-c", str(home / "node.yaml"), *arguments])


def test_a_person_overrules_the_gate_and_says_why(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(home) == 4
    assert "83 % of its 60 rows are gone, more than 50 %" in capsys.readouterr().err

    assert create(home, "--force", "--reason", "the tenant left", "--json") == 0

    report = json.loads(capsys.readouterr().out)
    assert report["overruled"] == ["shrunk"]
    assert report["reason"] == "asked for, forced: the tenant left"
    pointer = read_pointer(file_store(home / "store"), DATASET)
    assert [entry.row_count for entry in pointer.catalog] == [10, 60]


@pytest.mark.parametrize(
    "arguments", [("--force",), ("--reason", "why"), ("--force", "--reason", " ")]
)
def test_force_and_reason_go_together(
    home: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(home, *arguments) == 2
    assert "--force and --reason go together" in capsys.readouterr().err
