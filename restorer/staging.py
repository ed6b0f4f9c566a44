"""From one snapshot to a proven file in the target's work directory, one step after the other.

    header · lineage · map · space · seeds · fetch · sync · prove · sync

The staging directory outlives a kill, a store that went away, and a snapshot that was given up: the
next try keeps every block that has the right digest, for whichever snapshot, and once all of them
are synced (`fetched` says so) the next try for the same one begins with the proof. Only a disk that
refuses removes it. Seeds are the live file, the one before it, and what the caller names
(`restorer.seed`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from cdc.accelerator import Engine
from cdc.checkpoint import Lineage
from cdc.errors import FileUnusable
from restorer.at_hand import (
    fetched_mark,
    known_engine,
    logs_for,
    part_files,
    seeds_for,
    staged_before,
    staged_for,
)
from restorer.bandwidth import Bandwidth
from restorer.decision import lineage_conflict
from restorer.errors import ForeignLineage, NoSpace, WouldOverwrite
from restorer.fetch import Fetched, Progress, fetch
from restorer.local import free_bytes
from restorer.part_file import write_failed
from restorer.plan import Plan, make_plan
from restorer.prove import prove, sync
from restorer.seed import take_stock
from restorer.stock import Stock
from restorer.switch import staging_directory
from restorer.unfolded import keep_unfolded
from restorer.verdict import size_text
from snapshotter.durable import make_directories, sync_directory, write_synced
from snapshotter.errors import Corrupt
from snapshotter.format import CatalogEntry, Header
from snapshotter.manifest import open_manifest
from snapshotter.store import ObjectStore

Phase = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Staged:
    """A proven, synced file that is ready to be switched to."""

    header: Header
    engine: Engine
    main: Path
    fetched: Fetched


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a snapshot goes, and from where besides the store.

    `local`, `source`: what its lineage must not conflict with. `seeds`: files that may have blocks
    of it, besides those at the target. `follows`: another snapshot will be wanted over this one.
    """

    target: Path
    local: Lineage | None
    source: tuple[str, str] | None
    seeds: Sequence[Path]
    threads: int
    bandwidth: Bandwidth | None = None
    follows: bool = False


def stage(
    store: ObjectStore, entry: CatalogEntry, aim: Aim, *, progress: Progress | None, phase: Phase
) -> Staged:
    """Fetch and prove a snapshot beside the target.

    Raises Corrupt, FormatTooNew and ObjectMissing for a snapshot that cannot be taken;
    ForeignLineage, WouldOverwrite, NoSpace, FileUnusable; and the store's errors.
    """
    target = aim.target
    with phase("header"):
        manifest = open_manifest(store, entry)
        header = manifest.header
        engine = known_engine(header)
        _check_lineage(header, aim)
        plan = make_plan(header, [manifest.segments(part) for part in header.parts])
    staging = _Staging(staging_directory(target, header.snapshot_id), target.name, header, engine)
    _adopt(staging, target)
    fetched = _kept(staging, plan, phase)
    if fetched is None:
        _check_space(plan, target, staging.directory)
        fetched = _filled(staging, store, plan, aim, progress, phase)
    return Staged(header, engine, staging.main, fetched)


@dataclass(frozen=True, slots=True)
class _Staging:
    """The files of a try: main file, its log, and the mark that both were fetched and synced."""

    directory: Path
    name: str
    header: Header
    engine: Engine

    @property
    def main(self) -> Path:
        return self.directory / self.name

    @property
    def mark(self) -> Path:
        return fetched_mark(self.directory)

    @property
    def parts(self) -> list[Path]:
        return part_files(self.main, self.header)

    def prove(self, phase: Phase) -> None:
        with phase("prove"):
            prove(self.main, self.header, self.engine)
        with phase("fsync"):
            sync(self.main)

    def tidy(self) -> None:
        """Leave nothing but the parts: a log of another try would be replayed into this one."""
        try:
            make_directories(self.directory)
            for file in self.directory.iterdir():
                if file not in self.parts:
                    file.unlink()
        except OSError as error:
            raise write_failed(self.directory, error) from error


def _adopt(staging: _Staging, target: Path) -> None:
    """Take over what a restore of another snapshot left, and remove what else there is."""
    for other in staged_for(target, staging.header.snapshot_id):
        if other == staging.directory:
            break
        with suppress(OSError):
            fetched_mark(other).unlink(missing_ok=True)
            sync_directory(other)
            other.rename(staging.directory)
            break
    clean_staging(target, keep=staging.directory.name)


def _kept(staging: _Staging, plan: Plan, phase: Phase) -> Fetched | None:
    """What a killed restore fetched to the end, proven; None if there is no such thing."""
    if not staging.mark.exists():
        return None
    try:
        staging.prove(phase)
    except Corrupt:
        return None  # not the snapshot's fault: the kill may have hit the engine while it wrote
    return Fetched(0, 0, 0, bytes_kept=plan.download_bytes)


def _filled(
    staging: _Staging,
    store: ObjectStore,
    plan: Plan,
    aim: Aim,
    progress: Progress | None,
    phase: Phase,
) -> Fetched:
    try:
        stock = _stocked(staging, plan, aim, progress, phase)
        with phase("fetch"):
            fetched = fetch(
                store,
                plan,
                staging.parts,
                stock=stock,
                threads=aim.threads,
                bandwidth=aim.bandwidth,
                progress=progress,
            )
        with phase("fsync"):
            for part in staging.parts:
                sync(part)
            _write_mark(staging.mark)
        if aim.follows:
            keep_unfolded(aim.target, staging.engine, staging.parts)
        staging.prove(phase)
    except (NoSpace, FileUnusable):
        clean_staging(aim.target)
        raise
    return fetched


def _stocked(
    staging: _Staging, plan: Plan, aim: Aim, progress: Progress | None, phase: Phase
) -> Stock | None:
    """What needs no download; None if there is nowhere to look for it."""
    staging.tidy()
    seeds = seeds_for(aim.target, aim.seeds)
    if not seeds and not staging.main.exists():
        return None
    logs = logs_for(aim.target)
    with phase("seed"):
        return take_stock(plan, staging.parts, seeds, logs=logs, progress=progress)


def clean_staging(target: Path, *, keep: str | None = None) -> None:
    """Remove what killed restores left, but for that of a snapshot to be gone on with.

    Other directories there have other owners.
    """
    for directory in staged_before(target):
        if directory.name != keep:
            shutil.rmtree(directory, ignore_errors=True)


def _check_lineage(header: Header, aim: Aim) -> None:
    offered = header.checkpoint.lineage
    if conflict := lineage_conflict(offered, None, aim.source):
        raise ForeignLineage(f"snapshot {header.snapshot_id}: {conflict}")
    if conflict := lineage_conflict(offered, aim.local, None, any_stream=aim.follows):
        raise WouldOverwrite(f"{aim.target}: {conflict}")


def _check_space(plan: Plan, target: Path, staged: Path) -> None:
    needed, free = plan.disk_needed_bytes - _allocated_bytes(staged), free_bytes(target)
    if free < needed:
        raise NoSpace(f"{target}: needs {size_text(needed)}, has {size_text(free)}")


def _allocated_bytes(directory: Path) -> int:
    with suppress(FileNotFoundError):
        return sum(file.stat().st_blocks * 512 for file in directory.iterdir())
    return 0


def _write_mark(mark: Path) -> None:
    try:
        write_synced(mark, b"")
        sync_directory(mark.parent)
    except OSError as error:
        raise write_failed(mark, error) from error
