"""What is told to a node: its bootstrap, changes with snapshots, a restore.

A story is a function that tells it with the gates at which the node is to die, one after the other.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cdc.accelerator import Engine
from cdc.errors import Trimmed
from restorer.switch import read_origin
from snapshotter.assemble import objects_of
from snapshotter.catalog_change import change_catalog, whole
from snapshotter.errors import ObjectMissing
from snapshotter.format import Condemned
from snapshotter.layout import pack_key
from snapshotter.location import StoreParams
from snapshotter.publish import Publisher
from snapshotter.reader import read_header, read_pointer
from snapshotter.store import ObjectStore
from snapshotter.stores import open_store
from tests.crash.lives import Bench, Gate
from tests.crash.nodes import MortalNode
from tests.crash.told import Told
from tests.crash.watching import Watcher
from tests.e2e.nodes import Document
from tests.servers.seaweedfs import SeaweedFS
from tests.snapshotter.images import checkpoint, image

Story = Callable[[Sequence[Gate]], Told]

_TOO_LONG_SECONDS = 25 * 3600.0
_REBUILDS = {"dynamodb_stream_shard_not_found_behavior": "ready_before_load"}
_REFRESHES = {"refresh_mode": "full", "refresh_check_interval": "1s"}


def bootstrap(bench: Bench) -> Story:
    """An empty node loads the table, which changes meanwhile, and publishes its first snapshot."""

    def tell(gates: Sequence[Gate]) -> Told:
        location = f"file://{bench.folder}/bucket-{bench.rounds}"
        node = bench.node(location)
        _leave_half_a_write(bench.folder / f"bucket-{bench.rounds - 1}")
        _leave_half_a_name(node)
        told = Told(bench, node, gates)
        bench.table.on_scan = lambda: bench.write(3)
        try:
            told.begin()
            told.until_ready()
        finally:
            bench.table.on_scan = lambda: None
        told.until("the first snapshot", lambda: _has_snapshot(bench, location))
        told.finish()
        told.assert_scanned_once()
        return told

    return tell


def _leave_half_a_write(bucket: Path) -> None:
    left = bucket / ".snowmelt" / "write-1-of-yesterday"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    os.utime(left, (0, 0))


def _leave_half_a_name(node: MortalNode) -> None:
    folder = node.path.with_name(node.path.name + ".d")
    folder.mkdir(parents=True)
    (folder / "holder-1-of-yesterday").write_bytes(b"half")


def _has_snapshot(bench: Bench, location: str) -> bool:
    try:
        pointer = read_pointer(open_store(location, StoreParams()), bench.table.name)
    except ObjectMissing:
        return False
    return pointer.current is not None


def changes(bench: Bench, node: MortalNode) -> Story:
    """A node that is up to date follows changes over a rollover and publishes on request."""

    def tell(gates: Sequence[Gate]) -> Told:
        told = Told(bench, node, gates)
        told.begin()
        told.until_ready()
        for _ in range(2):
            bench.write(60)
            told.until_marked()
            told.snapshot()
            bench.table.rollover()
        told.end_whole()
        assert told.calls("Scan") == []
        return told

    return tell


def restore(bench: Bench, location: str) -> Story:
    """A new node takes the newest snapshot and follows what came since."""

    def tell(gates: Sequence[Gate]) -> Told:
        node = bench.node(location, "bootstrap_only")
        _leave_half_a_restore(node)
        bench.write(20)
        told = Told(bench, node, gates)
        told.begin()
        told.until_ready()
        told.finish()
        told.assert_blocks_fetched_once()
        assert told.calls("Scan") == []
        return told

    return tell


def _leave_half_a_restore(node: MortalNode) -> None:
    """One that can be gone on with, its log aside, and an older one."""
    for version in (1, 2):
        name = f"000001-{version:012d}-20260101T000000000Z"
        other = node.path.with_name(node.path.name + ".d") / name
        other.mkdir(parents=True)
        for suffix in ("", ".wal", "-wal", "-shm"):
            (other / f"{node.path.name}{suffix}").write_bytes(os.urandom(100))


def restore_over(bench: Bench, location: str) -> Story:
    """An older, damaged file gives way to the newest snapshot, and gives it its blocks."""

    def tell(gates: Sequence[Gate]) -> Told:
        node = bench.node(location, "bootstrap_only")
        store, dataset = open_store(location, StoreParams()), bench.table.name
        newest, *_, oldest = read_pointer(store, dataset).catalog
        target = node.home / "older" / "file"
        words = ("restore", "--output", str(target))
        assert node.end_of(*words, "--snapshot", oldest.snapshot_id) == 0, node.with_log("")
        engine: Engine = "sqlite" if node.engine == "sqlite" else "duckdb"
        watcher = Watcher(target, dataset, engine, newest.version)
        told = Told(bench, node, gates)
        told.on_death = watcher.look
        told.verb(*words)
        watcher.look()
        assert watcher.seen["new"] > 0
        assert watcher.seen["old"] > 0 or not gates
        origin = read_origin(target)
        assert origin is not None
        assert origin.snapshot_id == newest.snapshot_id
        told.assert_blocks_fetched_once()
        return told

    return tell


# ---------------------------------------------------------------- rarer ways


def restore_past_damage(bench: Bench, location: str) -> Story:
    """The newest snapshot is damaged: a new node gives its half restore up and takes an older."""

    def tell(gates: Sequence[Gate]) -> Told:
        told = Told(bench, bench.node(location, "bootstrap_only"), gates)
        told.begin()
        told.until_ready()
        told.finish()
        return told

    return tell


def rebuild(bench: Bench) -> Story:
    """A file too old for the stream is built anew beside it, and what was built is given up once,
    because its own position was lost too. Moves the clock of the bench on.
    """

    def tell(gates: Sequence[Gate]) -> Told:
        node = bench.node(f"file://{bench.folder}/bucket-{bench.rounds}", params=_REBUILDS)
        first = Told(bench, node, ())
        first.begin()
        first.until_ready()
        first.end()
        bench.write(20)
        bench.clock.advance(_TOO_LONG_SECONDS)
        pages = iter(range(10**6))
        bench.table.on_scan = lambda: _lose(bench, next(pages))
        told = Told(bench, node, gates)
        try:
            told.begin()
            moved_on = bench.clock.now - 3600.0
            told.until("built anew", lambda: (node.status()["watermark"] or 0.0) > moved_on)
        finally:
            bench.table.on_scan = lambda: None
            bench.table.heal()
        told.until_ready()
        told.until_marked()
        told.end()
        told.assert_equal()
        return told

    return tell


def _lose(bench: Bench, page: int) -> None:
    if page == 0:
        bench.write(5)
        bench.table.fail("get_records", Trimmed("past the oldest"), times=4)
    time.sleep(0.03)  # the scan is still under way when the position is lost


def refresh(bench: Bench) -> Story:
    """A table that is read by Scan alone is loaded, loaded anew beside that, and switched to."""

    def tell(gates: Sequence[Gate]) -> Told:
        node = bench.node("memory://none", "disabled", acceleration=_REFRESHES)
        told = Told(bench, node, gates)
        told.begin()
        told.until_ready()
        bench.write(20)
        # The first markers may come by a scan that was under way at the writes, and had read pages
        # before them; the scan of the second ones began when the first ones were served.
        told.until_marked()
        told.until_marked()
        told.end()
        told.assert_equal()
        assert told.calls("GetRecords") == []
        return told

    return tell


def doctor(bench: Bench, location: str, server: SeaweedFS | None = None) -> Story:
    """A doctor that died while it probed the store is in no other one's way."""

    def tell(gates: Sequence[Gate]) -> Told:
        node = bench.node(location)
        told = Told(bench, node, gates)
        key, secret = (server.access_key, server.secret_key) if server else ("nobody", "nobody")
        node.environment = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        words = ["doctor", "--table", bench.table.name, "--region", "eu-west-1"]
        words += ["--endpoint-url", bench.endpoint_url, "--location", location]
        words += ["--s3-endpoint", server.endpoint_url] if server else []
        told.verb(*words)
        return told

    return tell


def drill(bench: Bench, location: str) -> Story:
    """A drill that died leaves nothing behind the next one, and that proves the snapshot."""

    def tell(gates: Sequence[Gate]) -> Told:
        node = bench.node(location)
        told, dataset = Told(bench, node, gates), bench.table.name
        store = open_store(location, StoreParams())
        scratch = node.home / "scratch" / f"snowmelt-drill-{os.geteuid()}-{dataset}"
        (scratch / "half").mkdir(parents=True, mode=0o700)
        (scratch / "file").write_bytes(b"half")
        begun = store.now()
        told.verb("snapshots", "drill", "--scratch", str(scratch.parent))
        newest = read_pointer(store, dataset).catalog[0]
        assert newest.proven_at is not None
        assert newest.proven_at >= begun
        assert list(scratch.parent.iterdir()) == []
        return told

    return tell


def prune(bench: Bench) -> Story:
    """A prune that died drops, condemns and deletes the next time, and nothing that is needed."""

    def tell(gates: Sequence[Gate]) -> Told:
        node = bench.node(f"file://{bench.folder}/pruned-{bench.rounds}")
        node.document["snapshots"]["keep_last"] = 3
        store = open_store(node.document["snapshots"]["location"], StoreParams())
        told, dataset = Told(bench, node, gates), bench.table.name
        due = _publish_five(store, dataset)
        told.verb("snapshots", "prune", "--yes")
        left = whole(store, read_pointer(store, dataset))
        needed = (objects_of(read_header(store, entry)) for entry in left.catalog)
        there = {info.key for info in store.list(f"{dataset}/") if "/catalog/" not in info.key}
        known = {f"{dataset}/head.json", f"{dataset}/bucket.json", *left.condemned_keys}
        assert len(left.catalog) == 3
        assert there == known.union(*needed)
        assert due not in there
        return told

    return tell


def _publish_five(store: ObjectStore, dataset: str) -> str:
    """Five snapshots, and an object that was condemned long ago."""
    publisher = Publisher(store, dataset, holder="yesterday")
    publisher.take_over()
    for version in range(1, 6):
        at = checkpoint(store.now(), version)
        publisher.publish(image(bytes([version]) * 9000, at), reason="test")
    due = pack_key(dataset, f"{read_pointer(store, dataset).current}-00099")
    store.put(due, b"dead")
    condemned = Condemned(due, store.now() - _TOO_LONG_SECONDS)
    change_catalog(store, dataset, lambda pointer: replace(pointer, condemned=(condemned,)))
    return due


def publish(bench: Bench, location: str, store: Document | None = None) -> Story:
    """A node loads the table and publishes twice, to another kind of store."""

    def tell(gates: Sequence[Gate]) -> Told:
        told = Told(bench, bench.node(f"{location}-{bench.rounds}", store=store), gates)
        told.begin()
        told.until_ready()
        told.snapshot()
        bench.write(20)
        told.until_marked()
        told.snapshot()
        told.end_whole()
        return told

    return tell
