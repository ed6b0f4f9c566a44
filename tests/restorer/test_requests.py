"""How often the store is asked, which estimates of cost rely on."""

from __future__ import annotations

from pathlib import Path

from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter import layout
from snapshotter.store import ObjectStore
from snowmelt.central_cost import GETS_OF_A_SNAPSHOT, PUTS_OF_A_SNAPSHOT
from snowmelt.fleet_cost import RESTORE_SMALL_REQUESTS
from tests.restorer.accelerators import DATASET, Producer
from tests.restorer.conftest import Produce
from tests.snapshotter.faults import FaultyStore


def test_a_restore_asks_for_few_small_things_beside_its_blocks(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce("duckdb").publish()
    counted = FaultyStore(store)

    restore(counted, DATASET, tmp_path / "copy", RestoreRequest(Policy(role="operator")))

    blocks = [key for _, key in counted.calls if "/packs/" in key]
    assert len(blocks) in (1, 2)  # the main file, and the log where there is one
    small = [call for call in counted.calls if "/packs/" not in call[1]]
    assert ("get", layout.pointer_key(DATASET)) in small
    assert len(small) <= RESTORE_SMALL_REQUESTS, small


def test_a_publish_writes_three_objects_and_reads_two(store: ObjectStore, tmp_path: Path) -> None:
    counted = FaultyStore(store)
    producer = Producer(counted, tmp_path / "source", "duckdb")
    producer.put(0, 500, seed=1)
    producer.publish()
    producer.put(0, 5, seed=2)
    counted.calls.clear()

    producer.publish()

    producer.close()
    names = [name for name, _ in counted.calls]
    assert sum(name.startswith("put") for name in names) == PUTS_OF_A_SNAPSHOT
    assert sum(not name.startswith("put") for name in names) == GETS_OF_A_SNAPSHOT
