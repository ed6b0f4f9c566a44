"""The tests of either engine: kill -9 at every crash point of a node's life."""

import shutil
from pathlib import Path

import pytest

from snapshotter.layout import pack_of_key
from snapshotter.location import StoreParams
from snapshotter.stores import open_store
from tests.crash import stories
from tests.crash.lives import Bench
from tests.crash.nodes import MortalNode
from tests.crash.stories import Landed, tell_all
from tests.restorer.stores import flip


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
