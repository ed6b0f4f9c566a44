"""Taking and keeping the lease in a store: races, lost answers, writes that come late."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter import lease_json
from snapshotter.errors import Corrupt, PreconditionFailed, StoreUnreachable
from snapshotter.layout import lease_key
from snapshotter.lease import Claimant, Lease
from snapshotter.lease_keeper import LeaseKeeper, LeaseLost
from snapshotter.store import ObjectStore
from tests.restorer.stores import bucket_store
from tests.servers import faults
from tests.servers.faults import on
from tests.servers.proxy import fault_proxy
from tests.servers.seaweedfs import SeaweedFS
from tests.snapshotter.bench import DATASET, file_store
from tests.snapshotter.faults import FaultyStore, lose_answer_of

KEY = lease_key(DATASET)
HOLD = 30.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Place:
    """A store, and nodes with clocks of their own that ask for its lease."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.clock = Clock()

    def keeper(self, name: str, store: ObjectStore | None = None, **who: bool) -> LeaseKeeper:
        return LeaseKeeper(
            store or self.store,
            DATASET,
            Claimant(name[0].encode().hex() * 16, HOLD, **who),
            holder=name,
            monotonic=self.clock,
        )

    def lease(self) -> Lease:
        return lease_json.decode_lease(self.store.get(KEY, max_bytes=4096).data, DATASET)

    def watch(self, keeper: LeaseKeeper, seconds: float) -> bool:
        """Look as often as a waiting node does, for so long."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            if keeper.look():
                return True
            self.clock.now += max(0.5, min(keeper.next_look_seconds(), until - self.clock.now))
        return keeper.look()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(file_store(tmp_path))


def test_the_first_takes_it_and_says_who_it_is(place: Place) -> None:
    keeper = place.keeper("a")

    assert keeper.look()
    assert (place.lease().holder, place.lease().generation) == ("a", 0)
    keeper.renew(4)
    assert (place.lease().generation, place.lease().renewals) == (4, 2)


def test_of_nodes_that_ask_at_once_one_gets_it(place: Place) -> None:
    keepers = [place.keeper(name) for name in "abcd"]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(LeaseKeeper.look, keepers)).count(True) == 1


def test_a_holder_that_renews_is_left_alone_for_ever(place: Place) -> None:
    holder, waiting = place.keeper("a"), place.keeper("b", is_standby=True)
    assert holder.look()
    for _ in range(100):
        place.clock.now += 10.0
        holder.renew()
        assert not waiting.look()


def test_the_lease_of_a_dead_holder_is_taken_and_the_dead_one_learns_of_it(place: Place) -> None:
    dead, waiting = place.keeper("a"), place.keeper("b")
    assert dead.look()

    assert not place.watch(waiting, HOLD - 0.5)
    assert place.watch(waiting, 1.0)
    with pytest.raises(LeaseLost, match="published by 'b' now"):
        dead.renew()
    assert not dead.is_ours
    assert not dead.look()
    taken = waiting.last_taken
    assert taken is not None
    assert (taken.claim, taken.succeeds) == ("expired", True)


@pytest.mark.parametrize("died_after", [0.0, 3.0, 9.9])
def test_by_default_a_standby_has_it_36_seconds_behind_the_last_renewal(
    place: Place, died_after: float
) -> None:
    holder, waiting = place.keeper("a"), place.keeper("b", is_standby=True)
    assert holder.look()
    assert not place.watch(waiting, 17.0)
    holder.renew()
    renewed_at = place.clock.now
    place.clock.now += died_after / 6

    assert place.watch(waiting, 60.0)
    assert place.clock.now - renewed_at <= 36.0


def test_a_released_lease_is_taken_at_once(place: Place) -> None:
    holder, waiting = place.keeper("a"), place.keeper("b", is_standby=True)
    assert holder.look()
    assert not waiting.look()
    holder.release()

    assert place.lease().is_released
    assert waiting.look()
    assert waiting.last_taken is not None
    assert waiting.last_taken.claim == "released"


def test_the_next_process_on_the_same_file_gets_it_back_at_once_and_only_at_its_start(
    place: Place,
) -> None:
    """Two nodes on copies of one disk have one id: they must not take it in turns."""
    first, second = place.keeper("a"), place.keeper("a again")
    assert first.look()

    assert second.look()
    assert second.last_taken is not None
    assert not second.last_taken.succeeds
    with pytest.raises(LeaseLost):
        first.renew()
    assert not first.look()


def test_a_person_takes_it_from_a_live_holder_once(place: Place) -> None:
    holder, forcing = place.keeper("a"), place.keeper("b", forces=True)
    assert holder.look()
    assert forcing.look()
    with pytest.raises(LeaseLost):
        holder.renew()
    place.watch(holder, HOLD + 1.0)
    with pytest.raises(LeaseLost):
        forcing.renew()

    assert not forcing.look()


def test_a_lease_that_somebody_deleted_is_lost_and_can_be_taken_again(place: Place) -> None:
    keeper = place.keeper("a")
    assert keeper.look()
    place.store.delete(KEY)

    with pytest.raises(LeaseLost, match="nobody"):
        keeper.renew()
    assert keeper.look()


def test_a_damaged_lease_is_told_and_not_taken(place: Place) -> None:
    place.store.put(KEY, b"{}")

    with pytest.raises(Corrupt, match=r"lease\.json"):
        place.keeper("a").look()


# ---------------------------------------------------------------- lost answers


@pytest.mark.parametrize("name", ["put_if_absent", "put_if_match"])
def test_a_lost_answer_of_taking_it_is_found_out(place: Place, name: str) -> None:
    if name == "put_if_match":
        before = place.keeper("x")
        assert before.look()
        before.release()
    store = FaultyStore(place.store, after=lose_answer_of(name, KEY))

    assert place.keeper("a", store).look()
    assert place.lease().holder == "a"


def test_a_lost_answer_of_a_renewal_is_none_of_a_defeat(place: Place) -> None:
    store = FaultyStore(place.store)
    keeper = place.keeper("a", store)
    assert keeper.look()
    for number in range(2, 6):
        store._after = lose_answer_of("put_if_match", KEY)
        keeper.renew(number)
        assert (place.lease().renewals, place.lease().generation) == (number, number)


def test_a_renewal_that_did_not_arrive_is_no_defeat_either(place: Place) -> None:
    away = [False]

    def before(_: int, name: str, key: str) -> None:
        if away[0] and name == "put_if_match":
            raise StoreUnreachable("away")

    keeper = place.keeper("a", FaultyStore(place.store, before=before))
    assert keeper.look()
    away[0] = True
    with pytest.raises(StoreUnreachable):
        keeper.renew()
    away[0] = False
    keeper.renew()

    assert place.lease().renewals == 2


def test_a_conflict_that_came_to_nothing_is_tried_again_by_the_next_renewal(place: Place) -> None:
    """S3 answers 409 to a write that met another one, also if that one then fails."""
    conflicts = [True]

    def before(_: int, name: str, key: str) -> None:
        if name == "put_if_match" and conflicts[0]:
            conflicts[0] = False
            raise PreconditionFailed("409")

    keeper = place.keeper("a", FaultyStore(place.store, before=before))
    assert keeper.look()
    with pytest.raises(StoreUnreachable):
        keeper.renew()
    keeper.renew()


def test_writes_whose_answers_are_lost_and_that_cannot_be_read_back_are_found_by_the_next_look(
    place: Place,
) -> None:
    away = [True]

    def after(_: int, name: str, key: str) -> None:
        away[0] = away[0] and name != "get"
        if name == "put_if_absent":
            away[0] = True
            raise StoreUnreachable("lost")

    def before(_: int, name: str, key: str) -> None:
        if name == "get" and away[0] and wrote(store):
            away[0] = False
            raise StoreUnreachable("away")

    def wrote(store: FaultyStore) -> bool:
        return any(name == "put_if_absent" for name, _ in store.calls)

    store = FaultyStore(place.store, before=before, after=after)
    keeper = place.keeper("a", store)
    with pytest.raises(StoreUnreachable):
        keeper.look()

    assert not keeper.is_ours
    assert keeper.look()
    keeper.renew(3)


# ---------------------------------------------------------------- a real server


def test_on_a_line_that_breaks_one_holds_it_and_its_own_success_is_never_a_defeat(
    seaweedfs: SeaweedFS,
) -> None:
    """Faults at each second write; only a lease that somebody else wrote is ever lost."""
    name = seaweedfs.bucket("lease")
    chance = random.Random(3)
    with fault_proxy(seaweedfs.endpoint_url) as proxy:
        place = Place(bucket_store(replace(seaweedfs, endpoint_url=proxy.endpoint_url), name))
        keeper, other = place.keeper("a"), place.keeper("b", bucket_store(seaweedfs, name))
        assert keeper.look()
        for _ in range(20):
            kind = chance.choice(
                [faults.LOST_ANSWER, faults.RESET, faults.S3_ERROR, faults.OVERTAKEN]
            )
            proxy.fail(kind, on("PUT", "lease.json"), 1)
            _doubtful(keeper.renew)
            proxy.heal()
            if chance.random() < 0.5:
                proxy.deliver()  # what was held back comes now, or is refused
            keeper.renew()
            proxy.deliver()
            assert not other.look()
            assert keeper.is_ours
        sent = [each for each in proxy.exchanges if each.method == "PUT"]
        calls = [each.headers["amz-sdk-invocation-id"] for each in sent]
        assert len(set(calls)) == len(calls), "a conditional write was repeated beneath us"


def _doubtful(call: Callable[[], None]) -> None:
    with contextlib.suppress(StoreUnreachable):
        call()
