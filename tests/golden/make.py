"""Write the golden buckets of this program's format: `python -m tests.golden.make [--replace]`.

A bucket that was released stays as it is for ever: it is what old centres have written. So this is
run once for each format number, when it is about to be released, and never to make a test green.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from cdc.accelerator import Engine
from snapshotter import layout, marks, proofs, sealed, swap
from snapshotter.catalog_change import change_catalog
from snapshotter.format import FORMAT_VERSION, Pointer, Verified
from snapshotter.lease import Claimant
from snapshotter.lease_keeper import LeaseKeeper
from snapshotter.prune import Pruner
from snapshotter.reader import read_catalog, read_pointer
from snapshotter.retention import Retention
from snapshotter.store import ObjectStore
from snapshotter.trust import signed
from tests.restorer.accelerators import DATASET, Producer, plain_rows
from tests.restorer.published import directory_store
from tests.snapshotter.bench import reference_reader
from tests.snapshotter.signing import ANNA, carrying

HERE = Path(__file__).parent
ROWS = 60
VARIANTS: dict[str, Engine] = {"duckdb": "duckdb", "sqlite": "sqlite", "sqlite-signed": "sqlite"}


def digest_of(path: Path) -> str | None:
    """Of a file's bytes, by the standard library's word for it; None without a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def digest_of_rows(rows: object) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def history(store: ObjectStore, producer: Producer) -> None:
    """Full and incremental snapshots, and all that a person or a prune can say of them."""

    def publish(first: int, seed: int, *, full: bool = False) -> str:
        producer.put(first, 3, seed=seed)
        return producer.publish(full=full)

    producer.put(0, ROWS, seed=1)
    producer.accelerator.maintain(idle=True)
    publish(0, 2, full=True)
    publish(10, 3, full=True)
    pinned = publish(20, 4)
    publish(30, 5, full=True)
    quarantined = publish(ROWS, 6)
    producer.accelerator.maintain(idle=True)
    kept = publish(40, 7)
    publish(50, 8)
    looked = Verified(store.now(), "full", 0)
    digest = f"{ROWS:032x}"
    change_catalog(store, DATASET, lambda now: proofs.verified(now, kept, looked))
    change_catalog(store, DATASET, lambda now: proofs.proven(now, pinned, store.now(), digest))
    change_catalog(store, DATASET, lambda now: marks.pin(now, pinned, "the state of the audit"))
    change_catalog(store, DATASET, lambda now: marks.quarantine(now, quarantined, "wrong prices"))
    Pruner(store, DATASET, Retention(keep_last=3), grace=3600.0).record(sweeps=False)
    change_catalog(store, DATASET, lambda now: marks.roll_back(now, kept, "as it was"))
    swap.swap_pointer(
        store,
        DATASET,
        lambda now: paged(store, now),
        attempt_id=swap.new_attempt_id(),
        algorithm="blake3",
    )


def lease(store: ObjectStore) -> None:
    """One that was held and given back."""
    who = Claimant("0123456789abcdef" * 2, lease_seconds=30.0)
    keeper = LeaseKeeper(store, DATASET, who, holder="test", monotonic=time.monotonic)
    keeper.look()
    keeper.renew(2)
    keeper.release()


def paged(store: ObjectStore, pointer: Pointer) -> Pointer:
    """The oldest two snapshots in a page, as if there were many."""
    older = pointer.catalog[-2:]
    name = layout.page_name(older[0].snapshot_id, swap.new_attempt_id())
    key = layout.page_key(DATASET, name)
    store.put(key, signed(store, "page", DATASET, sealed.encode_page(DATASET, older, None), name))
    return replace(pointer, catalog=pointer.catalog[:-2], older=key)


def expected(bucket: Path, engine: Engine, scratch: Path) -> dict[str, object]:
    """What each snapshot restores to: digests of its files, and of the rows in them."""
    store = store_of(bucket)
    found: dict[str, object] = {}
    for entry in read_catalog(store, read_pointer(store, DATASET)):
        target = scratch / entry.snapshot_id
        reference_reader.restore(bucket, DATASET, target, entry.snapshot_id)
        log = target.with_name(target.name + {"duckdb": ".wal", "sqlite": "-wal"}[engine])
        rows = plain_rows(target, engine)
        found[entry.snapshot_id] = {
            "main": digest_of(target),
            "tail": digest_of(log),
            "row_count": len(rows),
            "rows": digest_of_rows(rows),
        }
    return found


def store_of(bucket: Path) -> ObjectStore:
    """The bucket as a node has it; with a key where the folder's name says that it is signed."""
    store = directory_store(bucket)
    is_signed = bucket.parent.name.endswith("-signed")
    return carrying(store, key=ANNA, trusted=(ANNA,)) if is_signed else store


def make(engine: Engine, home: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        bucket = home / "bucket"
        store = store_of(bucket)
        producer = Producer(store, Path(scratch) / "file", engine)
        history(store, producer)
        producer.close()
        lease(store)
        snapshots = expected(bucket, engine, Path(scratch))
        shutil.rmtree(bucket / ".snowmelt")
    document = {"engine": engine, "dataset": DATASET, "snapshots": snapshots}
    (home / "expected.json").write_text(json.dumps(document, indent=2) + "\n")


def main(arguments: list[str]) -> None:
    for name, engine in VARIANTS.items():
        home = HERE / f"format-{FORMAT_VERSION}" / name
        if home.exists() and arguments != ["--replace"]:
            sys.exit(f"{home} exists: what was released is never made again (--replace)")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        make(engine, home)


if __name__ == "__main__":
    main(sys.argv[1:])
