"""From one snapshot to a proven file in the target's work directory, one step after the other.

    header · lineage · map · space · fetch · prove

The staging directory is made anew for each try and is gone again unless the proof succeeded.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from cdc.accelerator import Engine
from cdc.checkpoint import Lineage
from cdc.engines import sidecars
from restorer.decision import lineage_conflict
from restorer.errors import ForeignLineage, NoSpace, WouldOverwrite
from restorer.fetch import Fetched, Progress, fetch, write_failed
from restorer.local import free_bytes
from restorer.plan import Plan, make_plan
from restorer.prove import prove, sync
from restorer.switch import staging_directory, work_directory
from restorer.verdict import size_text
from snapshotter import layout
from snapshotter.durable import make_directories
from snapshotter.errors import FormatTooNew
from snapshotter.format import CatalogEntry, Header
from snapshotter.reader import read_header, read_segments
from snapshotter.store import ObjectStore

Phase = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Staged:
    """A proven, synced file that is ready to be switched to."""

    header: Header
    engine: Engine
    main: Path
    fetched: Fetched


def stage(
    store: ObjectStore,
    entry: CatalogEntry,
    target: Path,
    *,
    local: Lineage | None,
    source: tuple[str, str] | None,
    threads: int,
    progress: Progress | None,
    phase: Phase,
) -> Staged:
    """Fetch and prove a snapshot beside `target`.

    `local`, `source`: what the snapshot's lineage must not conflict with. Raises Corrupt,
    FormatTooNew and ObjectMissing for a snapshot that cannot be taken; ForeignLineage,
    WouldOverwrite, NoSpace, FileUnusable; and the store's errors.
    """
    with phase("header"):
        header = read_header(store, entry)
        engine = _engine(header)
        _check_lineage(header, target, local, source)
        plan = make_plan(header, [read_segments(store, header, part) for part in header.parts])
    _check_space(plan, target)
    directory = staging_directory(target, header.snapshot_id)
    main = directory / target.name
    try:
        _make_empty(directory)
        files = {"main": main, "tail": sidecars(engine, main)[0]}
        with phase("fetch"):
            parts = [files[part.name] for part in header.parts]
            fetched = fetch(store, plan, parts, threads=threads, progress=progress)
        with phase("prove"):
            prove(main, header, engine)
        with phase("fsync"):
            sync(main)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return Staged(header, engine, main, fetched)


def clean_staging(target: Path) -> None:
    """Remove what killed restores left; other directories there have other owners."""
    with suppress(FileNotFoundError):
        for directory in work_directory(target).iterdir():
            if _is_snapshot_id(directory.name):
                shutil.rmtree(directory, ignore_errors=True)


def _is_snapshot_id(name: str) -> bool:
    try:
        layout.SnapshotId.parse(name)
    except ValueError:
        return False
    return True


def _engine(header: Header) -> Engine:
    if header.engine not in get_args(Engine):
        raise FormatTooNew(f"snapshot {header.snapshot_id} is of engine {header.engine!r}")
    return cast("Engine", header.engine)


def _check_lineage(
    header: Header, target: Path, local: Lineage | None, source: tuple[str, str] | None
) -> None:
    offered = header.checkpoint.lineage
    if conflict := lineage_conflict(offered, None, source):
        raise ForeignLineage(f"snapshot {header.snapshot_id}: {conflict}")
    if conflict := lineage_conflict(offered, local, None):
        raise WouldOverwrite(f"{target}: {conflict}")


def _check_space(plan: Plan, target: Path) -> None:
    needed, free = plan.disk_needed_bytes, free_bytes(target)
    if free < needed:
        raise NoSpace(f"{target}: needs {size_text(needed)}, has {size_text(free)}")


def _make_empty(directory: Path) -> None:
    try:
        shutil.rmtree(directory, ignore_errors=True)
        make_directories(directory)
    except OSError as error:
        raise write_failed(directory, error) from error
