"""Verbs where snapshots are followed: what an edge may be asked, and what it leaves to others."""

from pathlib import Path

import pytest
import yaml

from snapshotter.reader import read_pointer
from snowmelt.cli import execute
from tests.restorer.accelerators import DATASET
from tests.restorer.published import directory_store
from tests.snowmelt.edges import Centre, Edge


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    """One that has its file, and is not running."""
    centre = Centre(directory_store(tmp_path / "bucket"), tmp_path / "centre.db", "sqlite")
    centre.publish_change(0, 50)
    centre.close()
    edge = Edge(tmp_path, centre.store).start().stop()
    nobody = {"admin": "127.0.0.1:9", "query": "127.0.0.1:9"}
    document = yaml.safe_dump(edge.document | {"runtime": nobody})
    (tmp_path / "edge.yaml").write_text(document)
    return edge


def say(edge: Edge, *words: str) -> int:
    return execute([*words, "-c", str(edge.path.parents[1] / "edge.yaml")])


def test_an_edge_that_is_not_running_publishes_nothing_from_its_file_either(
    edge: Edge, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_pointer(edge.store, DATASET)

    assert say(edge, "snapshot") == 4

    assert "this node follows snapshots; ask the node that publishes" in capsys.readouterr().err
    assert read_pointer(edge.store, DATASET) == before


def test_an_edge_loads_no_table(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(edge, "bootstrap", "--replace") == 2

    assert "its table is not asked for anything" in capsys.readouterr().err


def test_restore_and_explain_are_those_of_an_edge(
    edge: Edge, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(edge, "explain") == 0
    assert "the local file is at the newest usable snapshot" in capsys.readouterr().out
    assert say(edge, "restore", "--progress", "none") == 0
    assert say(edge, "get", "mark") == 0
    assert '"amount": {"N": "1"}' in capsys.readouterr().out
