"""A node that follows snapshots: what it serves, what it asks, and what it does when that fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cdc.accelerator import Engine
from cdc.engines import examine
from cdc.rebuild import ItemSetDigest
from snapshotter import layout, marks
from snapshotter.errors import StoreUnreachable
from snapshotter.reader import read_header, read_pointer
from snapshotter.store import ObjectStore
from snowmelt.errors import UsageError
from tests.restorer.accelerators import COLUMNS, DATASET
from tests.restorer.published import directory_store
from tests.snowmelt.edges import LIMITS, Centre, Edge

Made = Callable[..., Edge]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return directory_store(tmp_path / "bucket")


@pytest.fixture
def made(tmp_path: Path, store: ObjectStore) -> Iterator[Made]:
    edges: list[Edge] = []

    def make(engine: Engine = "sqlite", home: str = "home", **acceleration: str) -> Edge:
        edges.append(Edge(tmp_path / home, store, engine, **acceleration))
        return edges[-1]

    yield make
    for edge in edges:
        edge.stop()


@pytest.fixture
def opened(tmp_path: Path, store: ObjectStore) -> Iterator[Callable[[Engine], Centre]]:
    """`opened(engine)`: a centre that has published 400 rows."""
    centres: list[Centre] = []

    def make(engine: Engine) -> Centre:
        centres.append(Centre(store, tmp_path / "centre.db", engine))
        centres[-1].publish_change(0, 400)
        return centres[-1]

    yield make
    for centre in centres:
        centre.close()


@pytest.fixture
def centre(opened: Callable[[Engine], Centre]) -> Centre:
    return opened("sqlite")


def claims_what_it_holds(edge: Edge, centre: Centre) -> int:
    """The version that it says it serves, which has to be what it answers with."""
    version = edge.status().version
    assert version is not None
    assert edge.rows() == centre.rows[version]
    return version


def damage(store: ObjectStore, snapshot_id: str) -> None:
    """All of the snapshot's own packs."""
    entry = read_pointer(store, DATASET).entry(snapshot_id)
    assert entry is not None
    for key in read_header(store, entry).packs:
        info = store.head(key)
        if snapshot_id in key and info is not None:
            store.put(key, bytes(info.size))


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_an_edge_follows_each_snapshot_and_answers_from_the_newest(
    opened: Callable[[Engine], Centre], made: Made, engine: Engine
) -> None:
    centre, edge = opened(engine), made(engine).start()
    assert claims_what_it_holds(edge, centre) == 1
    for version in (2, 3, 4):
        centre.publish_change(version * 7)
        edge.look()
        assert claims_what_it_holds(edge, centre) == version
    status = edge.status()
    assert (status.state, status.role) == ("ready", "edge")
    assert (status.ready, status.stale) == (True, False)
    assert edge.follow["switches_total"] == 4
    assert edge.follow["versions_behind"] == 0
    edge.stop()
    found = examine(engine, edge.path, DATASET, COLUMNS)
    wanted = ItemSetDigest()
    for page in centre.accelerator.items():
        wanted.add_all(page)
    assert found.hexdigest() == wanted.hexdigest()


def test_an_unchanged_pointer_costs_one_conditional_request(centre: Centre, made: Made) -> None:
    edge = made().start()
    edge.asked()

    edge.look().look()

    assert edge.asked() == [("get_changed", layout.pointer_key(DATASET))] * 2
    assert edge.follow["unchanged_total"] == 2
    assert edge.follow["looks_total"] == 3


def test_a_pointer_that_changed_without_a_newer_snapshot_fetches_nothing(
    centre: Centre, made: Made
) -> None:
    edge = made().start()
    edge.asked()

    centre.publisher.announce_progress(0.5)
    edge.look()

    assert [name for name, _ in edge.asked()] == ["get_changed", "get"]
    assert edge.follow["switches_total"] == 1


def test_a_query_that_runs_during_a_switch_ends_on_the_file_it_began_with(
    centre: Centre, made: Made
) -> None:
    edge = made().start()
    answering = edge.runtime.accelerator
    assert answering is not None
    centre.publish_change()

    with answering.using() as older:
        edge.steps.go_on()
        while answering.row_count() and edge.rows() == centre.rows[1]:
            pass  # until the newer one answers
        found = dict(older.query(f"SELECT id, amount FROM {DATASET}", LIMITS).rows)
        assert found == centre.rows[1]
        assert older.path.exists()

    edge.steps.until_it_rests()
    assert edge.rows() == centre.rows[2]
    assert not older.path.exists()


def test_what_is_served_is_never_written_to(centre: Centre, made: Made) -> None:
    edge = made().start()
    before = edge.path.stat().st_mtime_ns, edge.path.read_bytes()

    for _ in range(3):
        edge.rows()
        edge.look()
    edge.stop()

    assert (edge.path.stat().st_mtime_ns, edge.path.read_bytes()) == before
    assert sorted(path.name for path in edge.path.parent.iterdir()) == [
        "live.db",
        "live.db.d",
        "live.db.lock",
    ]


def test_a_damaged_snapshot_is_fetched_once_and_not_after_a_restart_either(
    centre: Centre, store: ObjectStore, made: Made
) -> None:
    edge = made().start()
    bad = centre.publish_change(0, 300)
    damage(store, bad)
    edge.look()
    assert claims_what_it_holds(edge, centre) == 1
    assert edge.follow["rejected"] == [bad]
    edge.asked()

    edge.look()
    edge.stop().start().look()

    assert [name for name, _ in edge.asked() if name in ("get_range", "read_into")] == []
    assert edge.follow["rejected"] == [bad]
    assert edge.status().ready
    good = centre.change(0, 300)
    centre.publish(full=True)
    assert claims_what_it_holds(edge.look(), centre) == good
    record = json.loads((edge.path.parent / "live.db.d" / "rejected.json").read_text())
    assert [each["snapshot_id"] for each in record["rejected"]] == [bad]


def test_what_was_found_damaged_is_no_fallback_for_what_is_damaged_later(
    centre: Centre, store: ObjectStore, made: Made
) -> None:
    edge = made().start()
    first = centre.publish_change(0, 300)
    damage(store, first)
    edge.look()
    centre.change(0, 300)
    second = centre.publish(full=True)
    damage(store, second)
    edge.asked()

    edge.look()

    assert edge.follow["rejected"] == [first, second]
    assert [
        key for name, key in edge.asked() if name in ("get_range", "read_into") and first in key
    ] == []
    assert claims_what_it_holds(edge, centre) == 1


def test_a_store_that_is_away_is_asked_less_and_less_and_what_is_served_stays(
    centre: Centre, made: Made
) -> None:
    edge = made(refresh_check_interval="10s").start()
    centre.publish_change()

    def away(_number: int, name: str, key: str) -> None:
        raise StoreUnreachable(f"{name} {key}: no answer")

    edge.store._before = away
    for _ in range(8):
        edge.look()

    problem = edge.status().problem
    assert problem is not None
    assert problem.exit_code == 8
    assert edge.status().state == "ready"
    assert edge.rows() == centre.rows[1]
    pauses = edge.steps.pauses
    assert 9 <= pauses[0] <= 11
    for failures, pause in enumerate(pauses[1:], 1):
        grown = min(10 * 2**failures, 600)
        assert grown / 2 <= pause <= grown
    edge.store._before = lambda *_: None
    edge.look()
    assert claims_what_it_holds(edge, centre) == 2
    assert edge.status().problem is None
    assert 9 <= edge.steps.pauses[-1] <= 11


def test_a_restart_without_upstream_serves_what_is_there_at_once(
    centre: Centre, made: Made
) -> None:
    edge = made(max_staleness="1s").start().stop()

    def away(_number: int, name: str, key: str) -> None:
        raise StoreUnreachable(f"{name} {key}: no answer")

    edge.store._before = away
    edge.start()

    assert edge.rows() == centre.rows[1]
    status = edge.status()
    assert (status.ready, status.stale, status.state) == (True, True, "ready")
    assert edge.follow["newest_id"] is None
    assert edge.follow["answered_at"] is None


def test_a_hold_a_rollback_and_its_release_are_obeyed(centre: Centre, made: Made) -> None:
    first = read_pointer(centre.store, DATASET).current
    assert first is not None
    centre.publish_change()
    edge = made().start()
    assert claims_what_it_holds(edge, centre) == 2

    centre.mark(partial(marks.hold, reason="a look"))
    edge.look()
    assert edge.follow["held_because"] == "a look"
    centre.mark(partial(marks.roll_back, snapshot_id=first, reason="wrong rows"))
    edge.look()

    assert claims_what_it_holds(edge, centre) == 1
    edge.look().stop().start()
    assert claims_what_it_holds(edge, centre) == 1
    centre.mark(marks.release)
    newest = centre.change()
    centre.publish()
    assert claims_what_it_holds(edge.look(), centre) == newest
    assert edge.follow["held_because"] is None


def test_an_edge_at_a_quarantined_snapshot_goes_back(centre: Centre, made: Made) -> None:
    bad = centre.publish_change()
    edge = made().start()
    assert claims_what_it_holds(edge, centre) == 2

    centre.mark(partial(marks.quarantine, snapshot_id=bad, reason="wrong"))

    assert claims_what_it_holds(edge.look(), centre) == 1


def test_nothing_published_yet_is_waited_for(
    opened: Callable[[Engine], Centre], made: Made
) -> None:
    edge = made().start()
    status = edge.status()
    assert (status.state, status.ready) == ("waiting", False)
    assert status.not_ready_because == "pipelines: there is no snapshot yet"
    assert 4.5 <= edge.steps.pauses[0] <= 5.5

    centre = opened("sqlite")
    assert claims_what_it_holds(edge.look(), centre) == 1


def test_there_is_no_source_to_ask(made: Made) -> None:
    edge = made()

    with pytest.raises(UsageError, match="its table is not asked for anything"):
        _ = edge.plan().source


def test_a_second_node_on_the_same_path_is_refused(centre: Centre, made: Made) -> None:
    edge = made().start()

    other = made().start()

    assert other.status().state == "error"
    assert "another node serves it" in (other.status().not_ready_because or "")
    assert edge.rows() == centre.rows[1]


def test_a_stop_in_a_fetch_leaves_what_was_fetched_to_the_next_start(
    centre: Centre, store: ObjectStore, made: Made
) -> None:
    edge = made()
    reads = 0

    def stop(_number: int, name: str, key: str) -> None:
        nonlocal reads
        if name == "read_into" and "/packs/" in key:
            reads += 1
            edge.runtime._stop.set()

    edge.store._after = stop
    edge.runtime.start()
    edge.runtime._thread.join(60)
    assert reads
    assert not edge.path.exists()
    edge.store._after = lambda *_: None

    edge.start()

    assert claims_what_it_holds(edge, centre) == 1
    assert edge.follow["bytes_spared_total"] > 0


def test_explain_says_what_the_next_look_would_do(centre: Centre, made: Made) -> None:
    edge = made().start()
    assert edge.runtime.explain()["action"] == "keep_local"

    newer = centre.publish_change()

    explained = edge.runtime.explain()
    assert (explained["action"], explained["snapshot_id"]) == ("restore", newer)
    assert edge.follow["newest_id"] != newer  # it was not looked at for that
