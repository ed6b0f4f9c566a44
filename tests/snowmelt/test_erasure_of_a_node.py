"""A deleted item leaves the bucket of a whole node: it publishes, cleans and prunes by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.household import HOUR, Household, VirtualNode, household, table_items
from tests.snapshotter.erasure import holding

KEY = "needle-of-the-haystack"
# full_every, twice; prune_grace; the hours between two prunes, twice; a snapshot's.
BOUND = 2 * 4 * HOUR + HOUR + 2 * HOUR + HOUR / 2


def objects(house: Household) -> Iterator[tuple[str, bytes]]:
    for file in sorted((house.home / "bucket").rglob("*")):
        if file.is_file():
            yield file.name, file.read_bytes()


def live_on(house: Household, node: VirtualNode, seconds: float) -> None:
    """Other items change meanwhile, so that packs and pages live on."""
    for number in range(round(seconds / HOUR * 2)):
        house.table.put(f"key-{number % 200}", value=-number)
        node.live(HOUR / 2)


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_deleted_item_is_in_no_object_after_the_bound(tmp_path: Path, engine: str) -> None:
    with household(tmp_path, rows=200) as house:
        node = house.node(
            "node",
            params={"dynamodb_stream_poll_interval": "5m"},
            acceleration={"engine": engine, "snapshots_trigger_threshold": "20m"},
            snapshots={"keep_for": "2h", "full_every": "4h", "prune_grace": "1h"},
        )
        node.start().live(HOUR)
        house.table.put(KEY, value=1)
        live_on(house, node, HOUR)
        assert holding(objects(house), KEY)

        house.table.delete(KEY)
        live_on(house, node, BOUND)

        assert holding(objects(house), KEY) == []
        assert len({entry.full_id for entry in house.pointer().catalog}) >= 2
        assert node.items() == table_items(house.table)
