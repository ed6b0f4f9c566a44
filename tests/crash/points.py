"""The tests of either engine: kill -9 at every crash point of a node's life."""

import shutil
from pathlib import Path

import pytest

from snapshotter.layout import pack_of_key
from snapshotter.location import StoreParams
from snapshotter.stores import open_store
from tests.crash import stories
from tests.crash.effects import sites
from tests.crash.following import follow
from tests.crash.lives import Bench
from tests.crash.nodes import MortalNode
from tests.crash.telling import Landed, tell_all
from tests.restorer.stores import flip

RESTORING = (
    "restorer.part_file",
    "restorer.prove",
    "restorer.scratch",
    "restorer.staging",
    "restorer.switch",
    "restorer.unfolded",
    "snapshotter.catalog_change",
    "snapshotter.file_store:FileStore._remove_empty_directories",
    "snapshotter.file_store:FileStore.delete",
    "snapshotter.file_store:FileStore.put.replace",
    "snapshotter.fsspec_store",
    "snapshotter.probe",
    "snapshotter.prune",
    "snapshotter.s3_store",
    "snowmelt.edge_file",
    "snowmelt.init_container",
)
"""The crash points of DuckDB nodes that a file of its own has, so that two workers share them."""


def assert_none_was_left_out(landed: Landed) -> None:
    """Something died at each crash point that this file of tests has to meet."""
    mine = {str(site) for site in sites() if landed.is_mine(str(site))}

    assert mine
    assert mine <= landed.sites, f"nothing died at {sorted(mine - landed.sites)}"


class Following:
    """What a file of tests inherits for the engine that it names."""

    def test_a_bootstrap_killed_anywhere_goes_on(self, bench: Bench, landed: Landed) -> None:
        tell_all("bootstrap", stories.bootstrap(bench), landed)

    def test_a_node_killed_anywhere_while_it_follows_and_publishes_goes_on(
        self, bench: Bench, node: MortalNode, landed: Landed
    ) -> None:
        tell_all("changes and snapshots", stories.changes(bench, node), landed)


class Restoring:
    """As above."""

    def test_a_restore_killed_anywhere_goes_on(
        self, bench: Bench, location: str, landed: Landed
    ) -> None:
        # A restored node follows like any other, and that was killed everywhere before.
        tell_all(
            "restore",
            stories.restore(bench, location),
            landed,
            only=lambda site: landed.is_new(site) or not site.startswith("cdc"),
        )

    def test_a_restore_over_an_older_file_may_be_killed_and_that_file_is_never_half(
        self, bench: Bench, location: str, landed: Landed
    ) -> None:
        own = ("restorer.switch", "restorer.part_file", "restorer.staging")
        tell_all(
            "restore over an older file",
            stories.restore_over(bench, location),
            landed,
            only=lambda site: landed.is_new(site) or site.startswith(own),
        )

    def test_a_restore_that_gives_a_damaged_snapshot_up_may_be_killed(
        self, bench: Bench, location: str, landed: Landed
    ) -> None:
        damaged = Path(f"{location.removeprefix('file://')}-damaged")
        shutil.copytree(location.removeprefix("file://"), damaged)
        store = open_store(f"file://{damaged}", StoreParams())
        packs = [info.key for info in store.list(f"{bench.table.name}/packs/")]
        newest = max(packs, key=lambda key: pack_of_key(bench.table.name, key))
        flip(store, newest, 100)

        story = stories.restore_past_damage(bench, f"file://{damaged}")
        tell_all("restore past damage", story, landed, only=landed.is_new)

    def test_an_edge_killed_anywhere_while_it_follows_goes_on(
        self, bench: Bench, location: str, landed: Landed
    ) -> None:
        bucket = Path(f"{location.removeprefix('file://')}-followed")
        shutil.copytree(location.removeprefix("file://"), bucket)
        switching = ("restorer.switch", "restorer.unfolded", "snowmelt.edge_file")
        tell_all(
            "follow",
            follow(bench, f"file://{bucket}"),
            landed,
            only=lambda site: landed.is_new(site) or site.startswith(switching),
        )

    @pytest.mark.soak
    @pytest.mark.timeout(7200)
    def test_nodes_killed_before_and_behind_the_first_the_middle_and_the_last_passing_go_on(
        self, bench: Bench, node: MortalNode, location: str, landed: Landed
    ) -> None:
        told = {
            "bootstrap": stories.bootstrap(bench),
            "changes and snapshots": stories.changes(bench, node),
            "restore": stories.restore(bench, location),
        }
        for name, story in told.items():
            tell_all(f"{name}, thoroughly", story, landed, thorough=True)
