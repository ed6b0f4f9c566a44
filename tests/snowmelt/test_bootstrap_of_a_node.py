"""The bootstrap of a node: told while it goes on, waited for by others, a snapshot at its end."""

import itertools
from pathlib import Path

import pytest

from snapshotter.layout import pointer_key
from snapshotter.publish import Publisher
from tests.simulators.household import MINUTE, household, table_items

ROWS = 56
REFRESHED = {"refresh_mode": "full", "refresh_check_interval": "1h"}


def test_a_bootstrap_is_told_and_waited_for_and_ends_in_a_snapshot_for_the_others(
    tmp_path: Path,
) -> None:
    with household(tmp_path, rows=ROWS) as house:
        house.table.scan_page_items = 1
        house.clock.every(
            MINUTE, lambda: house.table.put("often", at=house.clock.now), until=19 * MINUTE
        )
        slow = {"scan_max_rcu": 1 / 20}
        node = house.node("node", params=slow).start().live(6 * MINUTE)

        assert node.serves() is None
        assert node.status()["state"] == "bootstrapping"
        assert (node.metric("dataset_dynamodb_bootstrap_rows") or 0) > 10
        left = (node.metric("dataset_dynamodb_bootstrap_eta_seconds") or 0) / MINUTE
        assert 6 < left < 20
        assert house.pointer().current is None
        scans = house.scans()
        other = house.node("other").start().live(1)
        assert "writer bootstrapping" in other.status()["problem"]["message"]
        other.stop()
        assert house.scans() - scans < 2  # by the node

        node.live(20 * MINUTE)

        assert node.serves() == (ROWS + 1, False)
        assert node.metric("dataset_dynamodb_bootstrap_rows") is None
        assert house.pointer().current is not None
        node.stop()
        scans = house.scans()
        late = house.node("late").start().live(2 * MINUTE)
        assert late.status()["restore"]["decision"] == "restore"
        assert late.serves() == (ROWS + 1, False)
        assert late.items() == table_items(house.table)
        assert house.scans() == scans


@pytest.mark.parametrize("acceleration", [{}, REFRESHED], ids=["stream", "none"])
def test_a_node_that_is_taken_over_between_its_take_over_and_its_scan_waits_like_any_other(
    tmp_path: Path, acceleration: dict[str, str]
) -> None:
    with household(tmp_path, rows=ROWS) as house:
        winner = Publisher(house.bucket, house.table.name, holder="winner")
        writes = itertools.count()

        def overtake(_number: int, name: str, key: str) -> None:
            # The node has made the pointer, which takes over, and is about to announce its scan.
            is_change = name == "put_if_match" and key == pointer_key(house.table.name)
            if is_change and next(writes) == 0:
                winner.take_over()
                winner.announce_progress(0.5)

        house.bucket._before = overtake

        node = house.node("node", acceleration=acceleration).start().live(MINUTE / 2)

        assert "writer bootstrapping 50 %" in node.status()["problem"]["message"]
        assert house.scans() == 0
