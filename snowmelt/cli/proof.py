"""`snapshots verify|drill`: is a snapshot whole, and can it be used; and how that is told."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from snowmelt.cli.bucket import find, plan_of, pointer_of, store_of
from snowmelt.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    DatasetName,
    Progress,
    print_json,
    progress_mode,
)

if TYPE_CHECKING:
    from restorer.drill import DrillReport
    from snapshotter.format import CatalogEntry, Level, Pointer
    from snapshotter.store import ObjectStore
    from snapshotter.verify import VerifyReport
    from snowmelt.progress import Mode
    from snowmelt.wiring import DatasetPlan


def register(group: typer.Typer) -> None:
    """Add the verbs."""
    group.command(
        "verify",
        help="Check snapshots in the store.\n\nExample: snowmelt snapshots verify --level full",
    )(verify)
    group.command(
        "drill",
        help="Restore one to a scratch place and prove it.\n\nExample: snowmelt snapshots drill",
    )(drill)


def verify(
    snapshots: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Which (default: the newest).")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of the catalog.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    level: Annotated[str, typer.Option(help="fast, sample or full.")] = "fast",
    progress: Progress = "auto",
    as_json: AsJson = False,
) -> int:
    """Ends with 5 and one line per fault if one is damaged."""
    from snowmelt.errors import UsageError

    if level not in {"fast", "sample", "full"}:
        raise UsageError(f"--level {level} is not allowed", hint="use fast, sample or full")
    if everything and snapshots:
        raise UsageError("--all and IDs exclude each other", hint="give only one of them")
    plan, mode = plan_of(config, dataset), progress_mode(progress)
    store = store_of(plan)
    named: list[str | None] = [*(snapshots or [])] or [None]
    wanted = _all_ids(store, plan.name) if everything else named
    documents = []
    for snapshot in wanted:
        report, why = _verify(store, plan.name, snapshot, cast("Level", level), mode)
        documents.append(asdict(report) | {"ok": report.ok, **_recorded(why)})
        if not as_json:
            _tell(report, why)
    if as_json:
        print_json(documents if everything or len(documents) > 1 else documents[0])
    return 0 if all(document["ok"] for document in documents) else 5


def _verify(
    store: ObjectStore, dataset: str, snapshot: str | None, level: Level, mode: Mode
) -> tuple[VerifyReport, str | None]:
    """What was found, and why that is not recorded."""
    from snapshotter import proofs
    from snapshotter.format import Verified
    from snapshotter.record import record
    from snapshotter.verify import verify as run
    from snowmelt.progress import progress

    with progress(f"verifying {snapshot or dataset}", mode) as told:
        report = run(store, dataset, snapshot, level, progress=told)
    if report.snapshot_id is None:
        return report, "the catalog itself is damaged"
    look = Verified(store.now(), level, len(report.failures))
    change = partial(proofs.verified, snapshot_id=report.snapshot_id, look=look)
    return report, record(store, dataset, change)


def _all_ids(store: ObjectStore, dataset: str) -> list[str | None]:
    """Of every snapshot; of a catalog that cannot be read None, which verify says more about."""
    from snapshotter.errors import Corrupt, FormatTooNew
    from snapshotter.reader import read_catalog

    try:
        pointer = pointer_of(store, dataset)
        ids: list[str | None] = [entry.snapshot_id for entry in read_catalog(store, pointer)]
    except (Corrupt, FormatTooNew):
        return [None]
    return ids or [None]


def _tell(report: VerifyReport, why: str | None) -> None:
    from snowmelt.progress import format_bytes

    if report.ok:
        print(
            f"{report.snapshot_id}: good ({report.level}: {report.packs} packs, "
            f"{report.blocks:,} blocks, {format_bytes(report.bytes_read)} read)"
        )
    for failure in report.failures:
        print(f"{failure.object}: {failure.what}")
    _warn(why)


def _warn(why: str | None) -> None:
    if why is not None:
        print(f"snowmelt: warning: nothing was recorded: {why}", file=sys.stderr)


def _recorded(why: str | None) -> dict[str, Any]:
    return {"recorded": why is None, "not_recorded_because": why}


# ---------------------------------------------------------------- drill


def drill(
    snapshot: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A snapshot (default: the newest).")
    ] = None,
    at: Annotated[str | None, typer.Option(help="The newest not after this RFC 3339 time.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Restore to this file, and leave it there.")
    ] = None,
    scratch: Annotated[
        Path | None, typer.Option(help="Where there is room meanwhile (default: TMPDIR or /tmp).")
    ] = None,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    progress: Progress = "auto",
    as_json: AsJson = False,
) -> None:
    """Ends with 5 if what was restored is not what was promised."""
    from snapshotter import proofs
    from snapshotter.record import record

    plan, mode = plan_of(config, dataset), progress_mode(progress)
    store = store_of(plan)
    entry = _chosen(store, pointer_of(store, plan.name), snapshot, at)
    with _place(plan, entry, keep, scratch) as target:
        report = _drilled(store, plan.name, entry, target, mode)
    now = store.now()
    why = record(
        store,
        plan.name,
        partial(proofs.proven, snapshot_id=entry.snapshot_id, at=now, digest=report.content_digest),
    )
    if as_json:
        kept = None if keep is None else str(target)
        proven = {"dataset": plan.name, "proven_at": now, "kept": kept, **_recorded(why)}
        print_json(asdict(report) | proven)
        return
    _tell_drill(report)
    if keep is not None:
        print(f"kept: {target}")
    _warn(why)


def _drilled(
    store: ObjectStore, dataset: str, entry: CatalogEntry, target: Path, mode: Mode
) -> DrillReport:
    from restorer.drill import begin, finish
    from snapshotter import proofs
    from snapshotter.errors import Corrupt
    from snapshotter.format import Verified
    from snapshotter.record import record
    from snowmelt.progress import progress

    try:
        with progress(f"drill: restoring {dataset}", mode) as told:
            restored = begin(store, dataset, entry, target, progress=told)
        with progress(f"drill: examining {dataset}", mode, unit="items") as told:
            return finish(restored, on_items=lambda done: told(done, entry.row_count))
    except Corrupt:
        look = Verified(store.now(), "drill", 1)
        change = partial(proofs.verified, snapshot_id=entry.snapshot_id, look=look)
        _warn(record(store, dataset, change))
        raise


def _tell_drill(report: DrillReport) -> None:
    from snowmelt.durations import format_duration
    from snowmelt.progress import format_bytes

    print(
        f"{report.snapshot_id}: proven: {report.rows:,} items, content {report.content_digest} "
        f"({format_bytes(report.bytes_fetched)} in {format_duration(sum(report.seconds.values()))})"
    )


def _chosen(
    store: ObjectStore, pointer: Pointer, snapshot: str | None, at: str | None
) -> CatalogEntry:
    """As `restore` chooses. Raises UsageError, NoSuchSnapshot."""
    from snapshotter.catalog import candidates
    from snapshotter.errors import NoSuchSnapshot
    from snapshotter.reader import read_catalog
    from snowmelt.cli.asked import selection

    moment = selection(snapshot, at, None).at
    if moment is None:
        return find(store, pointer, snapshot)
    good = candidates(read_catalog(store, pointer), pointer.current)
    entry = next((entry for entry in good if entry.created_at <= moment), None)
    if entry is None:
        raise NoSuchSnapshot(f"{pointer.dataset} in {store.url} has no snapshot of {at} or before")
    return entry


@contextlib.contextmanager
def _place(
    plan: DatasetPlan, entry: CatalogEntry, keep: Path | None, scratch: Path | None
) -> Iterator[Path]:
    from restorer.scratch import scratch_folder
    from restorer.switch import work_directory
    from snowmelt.errors import UsageError

    if keep is None:
        with scratch_folder(scratch or Path(tempfile.gettempdir()), plan.name) as folder:
            yield folder / f"{plan.name}.{entry.engine}"
        return
    target, node = keep.absolute(), plan.path.absolute()
    if target.resolve() == node.resolve() or work_directory(node) in target.parents:
        raise UsageError(f"--keep {keep} is the node's own place", hint="give another path")
    yield target


# ---------------------------------------------------------------- what the catalog knows of it


def seen(entry: CatalogEntry) -> dict[str, Any]:
    """What looks and drills found, JSON-ready."""
    look = entry.verified
    return {
        "verified": None if look is None else look._asdict(),
        "proven_at": entry.proven_at,
        "content_digest": entry.content_digest,
    }


def seen_marks(entry: CatalogEntry) -> list[str]:
    """The same in a few words."""
    from snowmelt.cli.tables import instant

    marks, look = [], entry.verified
    if entry.proven_at is not None:
        marks.append(f"proven {instant(entry.proven_at)}")
    if look is not None and look.faults:
        marks.append(f"damaged ({look.level} {instant(look.at)})")
    elif look is not None and look.level != "drill":
        marks.append(f"verified ({look.level} {instant(look.at)})")
    return marks
