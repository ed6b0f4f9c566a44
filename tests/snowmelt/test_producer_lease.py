"""Two producers with a file and an id each: who waits, who goes on, and what it publishes first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdc.engines import open_accelerator
from snapshotter.errors import Fenced, NothingToSnapshot
from snapshotter.layout import lease_key
from snapshotter.lease import Lease
from snapshotter.lease_json import decode_lease
from snapshotter.lease_keeper import LeaseLost
from snowmelt.clockwork import Clockwork
from snowmelt.leasing import Leasing
from tests.restorer.accelerators import DATASET, KEYS
from tests.snowmelt.test_producer import Node, plan_of, wait_until


class Pair:
    """Two nodes on one bucket; their snapshots are asked for, or owed by a take-over."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [self._node(folder, name) for name in ("first", "second")]

    def _node(self, folder: Path, name: str) -> Node:
        path = folder / f"{name}.db"
        plan = plan_of(folder, path=str(path), engine="sqlite", snapshots_trigger_threshold="1h")
        vars(plan)["holder"] = f"{name}/1"
        return Node(plan, open_accelerator("sqlite", path, DATASET, keys=KEYS, create=True))

    def lease(self) -> Lease:
        store = self.nodes[0].plan.store
        assert store is not None
        return decode_lease(store.get(lease_key(DATASET), max_bytes=4096).data, DATASET)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    for node in pair.nodes:
        node.file.close()


def said(node: Node) -> tuple[Any, ...]:
    status = node.producer.status()
    return status.lease, status.lease_holder, status.fenced


def test_the_second_waits_follows_and_publishes_nothing_also_on_request(pair: Pair) -> None:
    first, second = pair.nodes
    first.commit()
    second.commit()
    with first.producer.running():
        wait_until(lambda: first.published() == 1)
        with second.producer.running():
            wait_until(lambda: second.producer.status().lease == "waiting")
            with pytest.raises(Fenced, match="held by 'first/1'"):
                second.producer.publish("asked for")

    assert said(first) == ("held", "first/1", False)
    assert said(second) == ("waiting", "first/1", False)
    assert second.producer.status().failed_total == 0
    assert (pair.lease().holder, pair.lease().generation) == ("first/1", 1)
    assert [entry.version for entry in first.pointer().catalog] == [1]


def test_who_succeeds_another_publishes_at_once_but_no_state_of_before_its_own_generation(
    pair: Pair,
) -> None:
    """Both files have a state (generation 1, version 1), and they are not the same."""
    first, second = pair.nodes
    first.commit()
    second.commit(generation=1)
    with first.producer.running():
        wait_until(lambda: first.published() == 1)
    first.producer.release()
    assert pair.lease().is_released
    with second.producer.running():
        wait_until(lambda: second.producer.status().generation == 2)
        with pytest.raises(NothingToSnapshot, match="no commit since the take-over"):
            second.producer.publish("asked for")
        second.commit()
        wait_until(lambda: second.published() == 1)

    newest, before = second.pointer().catalog
    assert (newest.generation, newest.version) == (2, 2)
    assert (before.generation, before.version) == (1, 1)
    assert said(first) == (None, None, False) or said(first)[0] == "waiting"


def test_a_bootstrap_is_left_to_the_holder_that_loads_and_made_beside_one_that_does_not(
    pair: Pair,
) -> None:
    first, second = pair.nodes
    assert first.producer.announce_bootstrap()
    assert not second.producer.announce_bootstrap()

    first.commit()
    with first.producer.running():
        wait_until(lambda: first.published() == 1)
    assert second.producer.announce_bootstrap()
    assert first.pointer().bootstrap_progress is None
    assert first.pointer().generation == 1


def test_a_standby_leaves_the_first_bootstrap_to_its_centre(pair: Pair) -> None:
    first, second = pair.nodes
    waiting = Node(replace(second.plan, is_standby=True), second.file)
    assert not waiting.producer.announce_bootstrap()

    assert first.producer.announce_bootstrap()
    assert pair.lease().holder == "first/1"


def test_a_loss_that_two_threads_meet_is_told_once(pair: Pair) -> None:
    told: list[str] = []
    mine = Leasing(pair.nodes[0].plan, Clockwork(), lambda: told.append("lost"))
    forced = replace(pair.nodes[1].plan, takes_over=True)
    assert mine.look_now()
    assert Leasing(forced, Clockwork(), lambda: None).look_now()

    for _ in range(2):
        with pytest.raises(LeaseLost):
            mine.terms(None).confirm()
    assert told == ["lost"]
    assert mine.is_lost
