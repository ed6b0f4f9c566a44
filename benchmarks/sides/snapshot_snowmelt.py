"""Snowmelt's snapshots of one live file: a full one, then after each share of random updates.

Rows are updated by the product's own `apply`, with upkeep as capture calls it. A share's figures
are those of two snapshots together: one at once, with changes in the log and in unfolded deltas,
and one when all of them were folded and the log is empty. So every byte that an update costs is
counted, also what is stored twice. Pages that changed are counted on the side, from the image.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any

from blake3 import blake3

from benchmarks.kit.bucket import new_prefix, store_of
from benchmarks.kit.child import measured, rss_mib
from benchmarks.kit.copies import copied
from benchmarks.kit.counted import Counted
from benchmarks.workload import files, rows
from benchmarks.workload.content import DATASET, file_digest
from cdc.accelerator import Accelerator, FrozenPart
from cdc.engines import open_accelerator
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter.publish import Publisher

BATCH_ROWS = 20_000
Figures = dict[str, float]


def run(params: dict[str, Any]) -> dict[str, Any]:
    """Every snapshot, in one life of the file and of the publisher; by share, "full" first."""
    engine, total = params["engine"], params["rows"]
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = copied(params["live"], Path(directory) / "live")
        store = Counted(store_of(params["place"], new_prefix()))
        with closing(open_accelerator(engine, path, DATASET)) as accelerator:
            publisher = Publisher(store, DATASET, holder="benchmark")
            publisher.take_over()
            store.taken()
            told = {"full": _publish(accelerator, publisher, store)}
            digests = _digests(accelerator)
            for revision, (share, count) in enumerate(params["changed"].items(), start=2):
                changes = rows.changes(total, count, revision=revision, batch_rows=BATCH_ROWS)
                files.apply(accelerator, changes)
                before = _publish(accelerator, publisher, store)
                while accelerator.maintain(idle=True).is_pending:
                    pass
                after = _publish(accelerator, publisher, store)
                old, digests = digests, _digests(accelerator)
                told[share] = _together(before, after) | {"changed_bytes": _changed(old, digests)}
        is_same = _is_same(store, path, Path(directory), engine) if params["verify"] else None
    return {"snapshots": told, "content_ok": is_same}


def _publish(accelerator: Accelerator, publisher: Publisher, store: Counted) -> Figures:
    rss = rss_mib()
    with measured() as span, accelerator.freeze() as image:
        report = publisher.publish(image, reason="benchmark")
    return {
        "seconds": span.seconds,
        "cpu_seconds": span.cpu_seconds,
        "peak_rss_mib": span.peak_rss_mib,
        "grown_rss_mib": span.peak_rss_mib - rss,
        "blocks_new": report.blocks_new,
        **store.taken(),
    }


def _together(before: Figures, after: Figures) -> Figures:
    sums = {name: before[name] + after[name] for name in before if not name.endswith("rss_mib")}
    peaks = {name: max(before[name], after[name]) for name in before if name.endswith("rss_mib")}
    parts = {
        f"{name}_{when}": of[name]
        for when, of in (("before_fold", before), ("after_fold", after))
        for name in ("uploaded_bytes", "seconds")
    }
    return sums | peaks | parts


def _digests(accelerator: Accelerator) -> dict[int, tuple[bytes, int]]:
    """Digest and size of each used page of the main file, by number; nothing of Snowmelt's map."""
    with accelerator.freeze() as image:
        part, *tail = image.parts
        assert not tail or tail[0].length < 2**20, "the log was not emptied"
        found = {}
        at_once = max(1, (4 << 20) // part.block_size)
        count = -(-(part.length - part.preamble) // part.block_size)
        for first in range(0, count, at_once):
            data = part.read(part.preamble + first * part.block_size, at_once * part.block_size)
            for slot in range(0, len(data), part.block_size):
                number = first + slot // part.block_size
                if _is_used(part, number):
                    page = data[slot : slot + part.block_size]
                    found[number] = blake3(page).digest(), len(page)
    return found


def _is_used(part: FrozenPart, number: int) -> bool:
    return part.used is None or number + bool(part.preamble) in part.used


def _changed(old: dict[int, tuple[bytes, int]], new: dict[int, tuple[bytes, int]]) -> int:
    return sum(page[1] for number, page in new.items() if old.get(number) != page)


def _is_same(store: Counted, path: Path, directory: Path, engine: Any) -> bool:
    """True if the last snapshot restores to the rows that the live file holds."""
    target = directory / "restored"
    restore(store, DATASET, target, RestoreRequest(Policy(role="operator")))
    if engine == "duckdb":
        return file_digest(engine, target) == file_digest(engine, path)
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(target)) as other:
        found = (each.execute(f"SELECT * FROM {DATASET}") for each in (one, other))
        return all(mine == theirs for mine, theirs in zip_longest(*found))
