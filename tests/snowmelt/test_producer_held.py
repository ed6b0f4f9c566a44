"""A node that publishes while a person holds the dataset, or goes back behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cdc.accelerator import Accelerator
from cdc.engines import open_accelerator
from snapshotter import marks
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import Held
from snapshotter.format import Pointer
from tests.restorer.accelerators import DATASET, KEYS
from tests.snowmelt.test_producer import Node, plan_of, wait_until


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Accelerator]:
    opened = open_accelerator("duckdb", tmp_path / "live.duckdb", DATASET, keys=KEYS, create=True)
    yield opened
    opened.close()


@pytest.fixture
def node(tmp_path: Path, file: Accelerator, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr("snowmelt.producer._RETRY_SECONDS", 0.0)
    return Node(plan_of(tmp_path, snapshots_trigger_threshold="1s"), file)


def say(node: Node, change: Callable[[Pointer], Pointer]) -> None:
    assert node.plan.store is not None
    change_catalog(node.plan.store, DATASET, change)


def is_held(node: Node) -> bool:
    return bool(node.producer.status().held_because)


def test_a_hold_is_told_and_after_the_release_the_node_goes_on(node: Node) -> None:
    node.commit()
    with node.producer.running():
        wait_until(lambda: node.published() == 1)
        say(node, partial(marks.hold, reason="look first"))
        node.commit()
        wait_until(lambda: is_held(node))
        assert "look first" in node.producer.status().held_because[0]
        with pytest.raises(Held) as refused:
            node.producer.publish("asked for")
        say(node, marks.release)
        wait_until(lambda: node.published() == 2)

    assert refused.value.exit_code == 14
    status = node.producer.status()
    assert (status.held_because, status.failed_total, status.fenced) == ((), 0, False)


def test_after_a_rollback_the_node_goes_on_from_there_in_a_generation_of_its_own(
    node: Node,
) -> None:
    node.commit()
    with node.producer.running():
        wait_until(lambda: node.published() == 1)
        first = node.pointer().current or ""
        node.commit()
        wait_until(lambda: node.published() == 2)
        say(node, lambda pointer: marks.roll_back(pointer, first, "wrong prices"))
        node.commit()
        wait_until(lambda: is_held(node))
        assert node.pointer().current == first
        assert node.producer.status().generation == 1
        say(node, marks.release)
        wait_until(lambda: node.published() == 3)

    catalog = node.pointer().catalog
    assert [(entry.generation, entry.version) for entry in catalog] == [(3, 3), (1, 2), (1, 1)]
    assert [entry.quarantined is not None for entry in catalog] == [False, True, False]
    assert (node.fenced, node.producer.status().generation) == (0, 3)
