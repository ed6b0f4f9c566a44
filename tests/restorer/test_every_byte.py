"""Each byte of each kind of object flipped in turn, and each object cut short at each length.

The bucket of a small SQLite file with one snapshot; for a page of the catalog one with more
snapshots than the pointer holds. What is damaged has to be refused by name with exit code 5;
`test_corruption_matrix.py` tells what a restore does then. Besides a replica of a bucket, whose
objects arrive in any order.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from restorer.errors import RestoreError
from restorer.facts import Policy
from restorer.fetch import fetch
from restorer.plan import make_plan
from restorer.restore import RestoreReport, RestoreRequest, restore
from snapshotter import catalog, layout
from snapshotter.errors import SnapshotError
from snapshotter.lease import Claimant
from snapshotter.lease_keeper import LeaseKeeper
from snapshotter.reader import read_catalog, read_header, read_pointer, read_segments
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import DATASET, Producer, Row, plain_rows, rows_of
from tests.restorer.published import directory_store
from tests.servers.fault_tally import Injected

NOTHING_ELSE = Policy(allow_bootstrap=False)
PAGED = 3
# Of some 1,800 bytes, by what times and ids are in them: three to nine.
FREE_BITS = 24


@dataclass(frozen=True)
class Kind:
    """One object of a kind: its bytes lie in `file`; `read` is what has to refuse them."""

    key: str
    file: Path
    read: Callable[[Path], object]


def _keeper(store: ObjectStore, name: str) -> LeaseKeeper:
    who = Claimant(name.encode().hex().ljust(32, "0"), 30.0)
    return LeaseKeeper(store, DATASET, who, holder=name, monotonic=lambda: 0.0)


def _published(store: ObjectStore, source: Path, count: int) -> list[str]:
    producer = Producer(store, source, "sqlite")
    ids = []
    for number in range(count):
        producer.put(number, 1)
        ids.append(producer.publish())
    producer.close()
    return ids


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    folder, other = (tmp_path_factory.mktemp(name) for name in ("one", "paged"))
    store, paged = directory_store(folder / "bucket"), directory_store(other / "bucket")
    (only,) = _published(store, folder / "source", 1)
    assert _keeper(store, "holder").look()
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(catalog.push, "__kwdefaults__", {"limit": 2})
        _published(paged, other / "source", PAGED)
    page = read_pointer(paged, DATASET).older
    assert page is not None

    def whole(target: Path) -> None:
        (entry,) = read_pointer(store, DATASET).catalog
        header = read_header(store, entry)
        segments = [read_segments(store, header, part) for part in header.parts]
        files = [target.with_suffix(f".{part.name}") for part in header.parts]
        fetch(store, make_plan(header, segments), files, threads=1)

    def by_page(_target: Path) -> None:
        assert len(list(read_catalog(paged, read_pointer(paged, DATASET)))) == PAGED

    def lease(_target: Path) -> None:
        _keeper(store, "other").look()

    def kind(key: str, read: Callable[[Path], object], bucket: Path = folder / "bucket") -> Kind:
        return Kind(key, bucket / key, read)

    return {
        "bucket.json": kind(layout.bucket_key(DATASET), whole),
        "head.json": kind(layout.pointer_key(DATASET), whole),
        "lease.json": kind(layout.lease_key(DATASET), lease),
        "catalog page": kind(page, by_page, other / "bucket"),
        "manifest": kind(layout.manifest_key(DATASET, only), whole),
        "pack": kind(layout.pack_key(DATASET, layout.pack_name(only, 0)), whole),
    }


def _flipped(data: bytes) -> Iterator[bytes]:
    for offset, byte in enumerate(data):
        yield data[:offset] + bytes([byte ^ 1 << offset % 8]) + data[offset + 1 :]


def _cut(data: bytes) -> Iterator[bytes]:
    for length in range(len(data)):
        yield data[:length]


WAYS = {"flipped": _flipped, "cut short": _cut}


def _read(kind: Kind, folder: Path) -> tuple[str | None, list[bytes]]:
    """What it is refused with, exit code first, or None and the files that were made of it."""
    try:
        kind.read(folder / "target")
    except (SnapshotError, RestoreError) as error:
        said: str | None = f"{error.exit_code} {error}"
    else:
        said = None
    files = [] if said else [file.read_bytes() for file in sorted(folder.iterdir())]
    for file in folder.iterdir():
        file.unlink()
    return said, files


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "name", ["bucket.json", "head.json", "lease.json", "catalog page", "manifest", "pack"]
)
def test_no_byte_of_an_object_can_be_wrong_or_missing_unnoticed(
    kinds: dict[str, Kind], tmp_path: Path, injected: Injected, name: str, way: str
) -> None:
    kind = kinds[name]
    data = kind.file.read_bytes()
    _, whole = _read(kind, tmp_path)
    refusals, wrong = [], []
    try:
        for place, damaged in enumerate(WAYS[way](data)):
            kind.file.write_bytes(damaged)
            said, files = _read(kind, tmp_path)
            if said is not None:
                refusals.append(said)
            elif files != whole or not files:
                wrong.append(place)
    finally:
        kind.file.write_bytes(data)

    injected.add(
        f"a byte of {name} {way}", injected=len(data), refused=len(refusals), lost=len(wrong)
    )
    assert wrong == []
    # Some bits of a frame of zstd say nothing about what is in it.
    assert len(refusals) >= (len(data) - FREE_BITS if name == "pack" else len(data))
    named = (kind.key, Path(kind.key).parent.name)  # a manifest by its snapshot
    unnamed = {
        said
        for said in refusals
        if not (said.startswith("5 ") and any(each in said for each in named))
    }
    assert unnamed == set()


# ---------------------------------------------------------------- a replica


def test_of_a_replica_that_is_still_being_copied_what_is_whole_is_taken(
    tmp_path: Path, injected: Injected
) -> None:
    store, folder = directory_store(tmp_path / "bucket"), tmp_path / "replica"
    producer = Producer(store, tmp_path / "source", "sqlite")
    wanted: dict[str, list[Row]] = {}
    for number in range(3):
        producer.put(0, 20, seed=number)
        wanted[producer.publish(full=True)] = rows_of(0, 20, seed=number)
    producer.close()
    keys = [info.key for info in store.list(f"{DATASET}/")]
    taken: Counter[str] = Counter()
    for order in range(20):
        replica = directory_store(folder / f"{order}")
        arriving = random.Random(order).sample(keys, len(keys))
        for count, key in enumerate(arriving, 1):
            replica.put(key, store.get(key, max_bytes=2**30).data)
            taken[
                _of_replica(replica, tmp_path / f"{order}-{count}", wanted, arriving[:count])
            ] += 1

    injected.add("objects of a replica in another order", injected=20, refused=taken["refused"])
    assert taken["newest"] >= 20
    assert taken["older"] > 0
    assert taken["refused"] > 0


def _of_replica(
    replica: ObjectStore, target: Path, wanted: dict[str, list[Row]], there: list[str]
) -> str:
    """What a node gets from these objects: the newest snapshot that is whole, or 4 or 8."""
    try:
        report = restore(replica, DATASET, target, RestoreRequest(NOTHING_ELSE, threads=1))
    except (SnapshotError, RestoreError) as error:
        said = f"{error.exit_code} {error}"
    else:
        return _restored(report, target, wanted, there)
    assert said[:2] in ("4 ", "8 "), said
    assert _whole_ones(wanted, there) == []
    return "refused"


def _restored(
    report: RestoreReport, target: Path, wanted: dict[str, list[Row]], there: list[str]
) -> str:
    assert report.snapshot_id == _whole_ones(wanted, there)[-1]
    assert plain_rows(target, "sqlite") == wanted[report.snapshot_id]
    return "newest" if report.snapshot_id == list(wanted)[-1] else "older"


def _whole_ones(wanted: dict[str, list[Row]], there: list[str]) -> list[str]:
    """Snapshots of which all is there, and the way to them."""
    known = {layout.bucket_key(DATASET), layout.pointer_key(DATASET)} <= set(there)
    return [
        snapshot_id
        for snapshot_id in wanted
        if known
        and layout.manifest_key(DATASET, snapshot_id) in there
        and layout.pack_key(DATASET, layout.pack_name(snapshot_id, 0)) in there
    ]
