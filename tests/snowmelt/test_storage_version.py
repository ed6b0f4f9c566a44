"""What a node is told of its file: the storage version, and whether free space is given back."""

from __future__ import annotations

from pathlib import Path

from cdc.duckdb_accelerator import DuckdbAccelerator
from tests.simulators.household import MINUTE, household

OLDER = {"engine": "duckdb", "storage_version": "v1.4.0"}


def test_a_node_writes_what_it_is_told_and_who_restores_it_keeps_that(tmp_path: Path) -> None:
    with household(tmp_path) as house:
        centre = house.node("centre", acceleration=OLDER).start().live(6 * MINUTE)
        assert centre.create_snapshot()[0] == 201
        centre.stop()
        late = house.node("late", acceleration={"engine": "duckdb"}).start().live(6 * MINUTE)
        assert late.status()["restore"]["decision"] == "restore"
        house.table.put("news", value=1)
        late.live(6 * MINUTE)
        assert late.create_snapshot()[0] == 201

        written = [entry.storage_version for entry in house.pointer().catalog]
        assert len(written) > 1
        assert set(written) == {"v1.4.0"}


def test_a_node_that_compacts_tells_its_file_to_give_back_what_is_free(tmp_path: Path) -> None:
    said = {"engine": "duckdb", "snapshots_compaction": "enabled"}
    with household(tmp_path) as house:
        node = house.node("node", acceleration=said).start().live(MINUTE)
        accelerator = node.runtime.accelerator

        assert isinstance(accelerator, DuckdbAccelerator)
        assert accelerator.layout.gives_back
        assert 0 < node.status()["disk_bytes"] <= node.status()["file_bytes"]
        assert node.status()["disk_free_bytes"] > 0
