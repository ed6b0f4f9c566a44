"""The verb that publishes a file without a node, where another one may hold the lease."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from snapshotter.errors import Fenced
from snapshotter.lease import Claimant
from snapshotter.lease_keeper import LeaseKeeper
from snowmelt.clockwork import Clockwork
from snowmelt.holder import holder_id
from snowmelt.leasing_once import leased
from tests.restorer.accelerators import DATASET
from tests.snowmelt.test_producer import plan_of


class Watching(Clockwork):
    """Time passes with each wait; `renews`: a holder that lives."""

    def __init__(self) -> None:
        self.now = 0.0
        self.renews: LeaseKeeper | None = None

    def monotonic(self) -> float:
        return self.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.now += seconds
        if self.renews is not None and self.now > 10.0:
            self.renews.renew()
        return event.is_set()


def other(folder: Path) -> LeaseKeeper:
    store = plan_of(folder).store
    assert store is not None
    who = Claimant("f" * 32, 30.0)
    keeper = LeaseKeeper(store, DATASET, who, holder="other/1", monotonic=lambda: 0.0)
    assert keeper.look()
    return keeper


def test_it_holds_the_lease_for_its_publish_and_gives_it_back(tmp_path: Path) -> None:
    with leased(plan_of(tmp_path)) as lease:
        assert lease.is_ours
    assert other(tmp_path).last_taken is not None


def test_a_dead_holder_is_waited_for_and_a_live_one_is_told(tmp_path: Path) -> None:
    holder, clock = other(tmp_path), Watching()
    clock.renews = holder
    with (
        pytest.raises(Fenced, match="held by 'other/1'"),
        leased(plan_of(tmp_path), clock),
    ):
        pass
    assert 10.0 < clock.now < 20.0

    clock.renews = None
    with leased(plan_of(tmp_path), clock) as lease:
        assert lease.succeeds


def test_the_id_of_a_file_stays_and_a_damaged_one_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "data" / "live.duckdb"
    made = holder_id(path)
    assert holder_id(path) == made

    place = path.with_name("live.duckdb.d") / "holder"
    place.write_text("half")
    assert holder_id(path) not in (made, "half")
    assert holder_id(path) == holder_id(path) != holder_id(tmp_path / "copy.duckdb")
    assert [each.name for each in place.parent.iterdir()] == ["holder"]
