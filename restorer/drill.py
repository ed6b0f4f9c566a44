"""A restore for its own sake: what is proven is not that bytes are there but that they can be used.

    header · restore, by the code of every restore · open: checkpoint, columns, rows
    · the engine reads all of it · items digested, as another drill found them

What fails by the snapshot's fault is Corrupt; a full disk or a store that is away says nothing of
the snapshot. Writing the result down is the caller's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cdc.accelerator import Engine
from cdc.columns import Columns
from cdc.engines import examine, open_accelerator
from cdc.errors import FileUnusable
from restorer.errors import NoFallbackLeft, NothingToRestore, WouldOverwrite
from restorer.facts import Policy, Selection
from restorer.fetch import Progress
from restorer.prove import compare
from restorer.restore import RestoreReport, RestoreRequest, restore
from snapshotter.catalog import by_id
from snapshotter.errors import Corrupt
from snapshotter.format import CatalogEntry, Header
from snapshotter.reader import read_catalog, read_header, read_pointer
from snapshotter.store import ObjectStore


@dataclass(frozen=True, slots=True)
class DrillReport:
    """What a drill found. `seconds`: by phase, those of the restore and `examine`."""

    snapshot_id: str
    engine: str
    version: int
    rows: int
    content_digest: str
    bytes_fetched: int
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Restored:
    """A snapshot in a file, not yet examined."""

    entry: CatalogEntry
    header: Header
    target: Path
    report: RestoreReport


def begin(
    store: ObjectStore,
    dataset: str,
    entry: CatalogEntry,
    target: Path,
    *,
    progress: Progress | None = None,
) -> Restored:
    """Restore a snapshot to `target`, where nothing is; the file stays.

    Raises Corrupt, WouldOverwrite, NoSpace, FormatTooNew, Unreadable, NothingToRestore for one that
    is quarantined, and the store's errors.
    """
    if target.exists():
        raise WouldOverwrite(f"{target} exists", hint="give a path where nothing is")
    header = read_header(store, entry)
    request = RestoreRequest(
        Policy(role="operator", allow_bootstrap=False), Selection(snapshot_id=entry.snapshot_id)
    )
    try:
        report = restore(store, dataset, target, request, progress=progress)
    except NoFallbackLeft as error:
        raise Corrupt(str(error)) from error
    except NothingToRestore as error:
        if _is_offered(store, entry):
            raise Corrupt(str(error)) from error  # an object of it is gone
        raise
    return Restored(entry, header, target, report)


def finish(restored: Restored, *, on_items: Callable[[int], None] = lambda _: None) -> DrillReport:
    """Examine the file. `on_items`: digested so far. Raises Corrupt."""
    entry = restored.entry
    started = time.monotonic()
    rows, digest = _examined(restored.target, restored.header, on_items)
    _compare_with_before(entry, digest)
    return DrillReport(
        snapshot_id=entry.snapshot_id,
        engine=entry.engine,
        version=entry.version,
        rows=rows,
        content_digest=digest,
        bytes_fetched=restored.report.bytes_fetched,
        seconds={**restored.report.seconds, "examine": time.monotonic() - started},
    )


def _is_offered(store: ObjectStore, entry: CatalogEntry) -> bool:
    pointer = read_pointer(store, entry.manifest.partition("/")[0])
    found = by_id(read_catalog(store, pointer), entry.snapshot_id)
    return found is not None and found.quarantined is None


def _examined(target: Path, header: Header, on_items: Callable[[int], None]) -> tuple[int, str]:
    engine, where = cast("Engine", header.engine), f"snapshot {header.snapshot_id}"
    try:
        accelerator = open_accelerator(engine, target, header.dataset)
        try:
            compare(accelerator, header, where)
        finally:
            accelerator.close()
        columns = Columns.decode(header.columns)
        found = examine(engine, target, header.dataset, columns, progress=on_items)
    except FileUnusable as error:
        raise Corrupt(f"{where}: {error}") from error
    if found.count != header.row_count:
        raise Corrupt(
            f"{where}: {found.count} items could be read, {header.row_count} in the manifest"
        )
    return found.count, found.hexdigest()


def _compare_with_before(entry: CatalogEntry, digest: str) -> None:
    if entry.content_digest not in (None, digest):
        raise Corrupt(
            f"snapshot {entry.snapshot_id}: its items have the digest {digest}, and had"
            f" {entry.content_digest} in the drill before"
        )
