"""A day of steady churn: what snapshots upload while changes come in, for bytes that changed.

Nothing waits: between two snapshots, two minutes apart on the clock that is only counted, as many
changes are committed as two minutes bring. Upkeep runs after each batch as capture does it, so the
day holds folds, sorts and checkpoints of the engine, and packs that are emptied.

Changed bytes are counted twice: `changed_row_bytes` are the cells of the changed rows as Arrow
holds them; `changed_block_bytes` are the blocks that differ from those of the snapshot before, as
often as they do: of DuckDB those of the main file, of SQLite pages, the newest in the log or the
file.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.workload import rows
from benchmarks.workload.content import DATASET, file_digest
from benchmarks.workload.pages import KEYS
from benchmarks.workload.states import checkpoint
from cdc.accelerator import Accelerator, FrozenImage, FrozenPart
from cdc.batch import Batch
from cdc.engines import open_accelerator
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter.digest import digest
from snapshotter.location import StoreParams
from snapshotter.publish import Publisher
from snapshotter.publish_report import PublishReport
from snapshotter.reader import read_header, read_pointer
from snapshotter.store import ObjectStore
from snapshotter.stores import open_store

SNAPSHOT_MINUTES = 2
_BATCHES = 4
# Clustered: nine of ten changes are of one key in twenty.
_HOT_SHARE = 20
_COLD_EVERY = 10
_REST_SECONDS = 0.1
# The file format of SQLite, section 4.
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24


class _Blocks:
    """Bytes of blocks that differ from one snapshot to the next."""

    def __init__(self) -> None:
        self.changed_bytes = 0
        self._digests: dict[int, bytes] = {}

    def count(self, image: FrozenImage) -> None:
        main, *tail = image.parts
        now = dict[int, bytes]()
        changed = dict[int, int]()
        blocks = _blocks(main)
        if image.engine == "sqlite":
            blocks = chain(blocks, *map(_pages_in_log, tail))
        for number, data in blocks:
            now[number] = digest(data, "blake3")
            changed[number] = len(data)
        if self._digests:
            self.changed_bytes += sum(
                size for each, size in changed.items() if self._digests.get(each) != now[each]
            )
        self._digests = now


def _blocks(part: FrozenPart) -> Iterator[tuple[int, bytes]]:
    numbers = range(-(-part.length // part.block_size)) if part.used is None else sorted(part.used)
    for number in numbers:
        first = part.preamble + (number - bool(part.preamble)) * part.block_size
        at, size = (0, part.preamble) if first < part.preamble else (first, part.block_size)
        yield number, part.read(at, min(size, part.length - at))


def _pages_in_log(log: FrozenPart) -> Iterator[tuple[int, bytes]]:
    """Pages of SQLite's log in the order in which they were written; the first page is block 0."""
    data = log.read(0, log.length)
    page_size = int.from_bytes(data[8:12], "big")
    for at in range(_LOG_HEADER_BYTES, len(data), _FRAME_HEADER_BYTES + page_size):
        page = at + _FRAME_HEADER_BYTES
        yield int.from_bytes(data[at : at + 4], "big") - 1, data[page : page + page_size]


def run(params: dict[str, Any]) -> dict[str, Any]:
    """One engine, one way of changing."""
    started, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as home:
        engine, total = params["engine"], params["rows"]
        path = Path(home) / f"{DATASET}.{engine}"
        accelerator = open_accelerator(engine, path, DATASET, keys=KEYS, create=True)
        _load(accelerator, total)
        (Path(home) / "bucket").mkdir()
        store = open_store(f"file://{home}/bucket", StoreParams())
        day = _Day(accelerator, store)
        day.publish()
        first_bytes, day.uploaded_bytes = day.uploaded_bytes, 0
        for number in range(round(params["hours"] * 60 / SNAPSHOT_MINUTES)):
            for batch in _changes(total, params["per_snapshot"], number, params["keys"]):
                day.commit(batch)
            day.publish()
        content = _restored(store, Path(home), engine)
        is_equal = content == file_digest(engine, _closed(accelerator))
        end = _at_the_end(store)
    uploaded = day.uploaded_bytes
    return {
        "engine": engine,
        "keys": params["keys"],
        "hours": params["hours"],
        "rows": total,
        "changed_rows": day.changed_rows,
        "changed_row_bytes": day.changed_row_bytes,
        "changed_block_bytes": day.blocks.changed_bytes,
        "uploaded_bytes": uploaded,
        "first_bytes": first_bytes,
        "ratio_of_blocks": round(uploaded / max(1, day.blocks.changed_bytes), 2),
        "ratio_of_rows": round(uploaded / max(1, day.changed_row_bytes), 2),
        "snapshots": day.snapshots,
        "folded_rows": day.folded_rows,
        "engine_checkpoints": day.checkpoints,
        "packs_emptied": day.packs_emptied,
        **end,
        "content_ok": is_equal,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
    }


class _Day:
    """The file, its publisher, and what both have done."""

    def __init__(self, accelerator: Accelerator, store: ObjectStore) -> None:
        self._accelerator = accelerator
        self._publisher = Publisher(store, DATASET, holder="benchmark")
        self._publisher.take_over()
        self.blocks = _Blocks()
        self.changed_rows = self.changed_row_bytes = self.folded_rows = self.checkpoints = 0
        self.uploaded_bytes = self.snapshots = self.packs_emptied = 0

    def commit(self, batch: Batch) -> None:
        current = self._accelerator.checkpoint()
        assert current is not None
        self._accelerator.apply(batch, current.next())
        self.changed_rows += batch.rows.num_rows
        self.changed_row_bytes += batch.rows.nbytes
        while True:
            done = self._accelerator.maintain(idle=False)
            self.folded_rows += done.folded_rows
            self.checkpoints += done.checkpointed
            if not done.is_pending:
                return

    def publish(self) -> None:
        # What goes on beside commits has two minutes, and a snapshot would hold it off.
        time.sleep(_REST_SECONDS)
        self._accelerator.maintain(idle=False)
        time.sleep(_REST_SECONDS)
        with self._accelerator.freeze() as image:
            self.blocks.count(image)
            report: PublishReport = self._publisher.publish(image, reason="benchmark")
        self.uploaded_bytes += report.new_bytes
        self.packs_emptied += report.packs_emptied
        self.snapshots += 1


def _load(accelerator: Accelerator, total: int) -> None:
    """As a bootstrap leaves the table."""
    current = checkpoint(time.time())
    for batch in rows.all_rows(total):
        accelerator.append_scan(batch, current)
        current = current.next()
    while accelerator.maintain(idle=True).is_pending:
        pass


def _changes(total: int, count: int, number: int, keys: str) -> Iterator[Batch]:
    size = max(1, count // _BATCHES)
    for part in range(_BATCHES):
        revision = 2 + number * _BATCHES + part
        is_hot = keys == "clustered" and revision % _COLD_EVERY
        among = total // _HOT_SHARE if is_hot else total
        yield from rows.changes(among, size, revision=revision, batch_rows=size)


def _closed(accelerator: Accelerator) -> Path:
    accelerator.close()
    return accelerator.path


def _restored(store: ObjectStore, directory: Path, engine: Any) -> str:
    target = directory / f"restored.{engine}"
    restore(store, DATASET, target, RestoreRequest(Policy(role="operator")))
    return file_digest(engine, target)


def _at_the_end(store: ObjectStore) -> dict[str, int]:
    """What the newest snapshot refers to."""
    pointer = read_pointer(store, DATASET)
    header = read_header(store, pointer.catalog[0])
    return {
        "packs": sum(bool(pack) for pack in header.packs),
        "pack_bytes": sum(header.pack_bytes),
        "stored_bytes": header.stored_bytes,
        "file_bytes": header.file_bytes,
    }
