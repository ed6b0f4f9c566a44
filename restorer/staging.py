"""From one snapshot to a proven file in the target's work directory, one step after the other.

    header · lineage · map · space · fetch · sync · prove · sync

The staging directory outlives what is no fault of the snapshot, a kill or a store that went away:
the next try for the same snapshot keeps the blocks that are there, and once all of them are synced
(`fetched` says so) it begins with the proof. Any other failure removes it. The proof writes to the
file, so blocks cannot be checked by their digests after it began.
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
from snapshotter.durable import make_directories, sync_directory, write_synced
from snapshotter.errors import Corrupt, FormatTooNew, StoreAccessDenied, StoreUnreachable
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
    clean_staging(target, keep=header.snapshot_id)
    staging = _Staging(staging_directory(target, header.snapshot_id), target.name, header, engine)
    fetched = _kept(staging, plan, phase)
    if fetched is None:
        _check_space(plan, target, staging.directory)
        fetched = _filled(staging, store, plan, threads, progress, phase)
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
        return self.directory / "fetched"

    @property
    def parts(self) -> list[Path]:
        files = {"main": self.main, "tail": sidecars(self.engine, self.main)[0]}
        return [files[part.name] for part in self.header.parts]

    def prove(self, phase: Phase) -> None:
        with phase("prove"):
            prove(self.main, self.header, self.engine)
        with phase("fsync"):
            sync(self.main)

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def _kept(staging: _Staging, plan: Plan, phase: Phase) -> Fetched | None:
    """What a killed restore fetched to the end, proven; None if there is no such thing."""
    if not staging.mark.exists():
        return None
    try:
        staging.prove(phase)
    except Corrupt:
        # Not the snapshot's fault: the kill may have hit the engine while it wrote to the file.
        staging.remove()
        return None
    return Fetched(0, 0, 0, bytes_kept=plan.download_bytes)


def _filled(
    staging: _Staging,
    store: ObjectStore,
    plan: Plan,
    threads: int,
    progress: Progress | None,
    phase: Phase,
) -> Fetched:
    try:
        with phase("fetch"):
            _make(staging.directory)
            fetched = fetch(store, plan, staging.parts, threads=threads, progress=progress)
        with phase("fsync"):
            for part in staging.parts:
                sync(part)
            _write_mark(staging.mark)
        staging.prove(phase)
    except (StoreUnreachable, StoreAccessDenied):
        raise
    except BaseException:
        staging.remove()
        raise
    return fetched


def clean_staging(target: Path, *, keep: str | None = None) -> None:
    """Remove what killed restores left, but for that of a snapshot to be gone on with.

    Other directories there have other owners.
    """
    with suppress(FileNotFoundError):
        for directory in work_directory(target).iterdir():
            if directory.name != keep and _is_snapshot_id(directory.name):
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


def _check_space(plan: Plan, target: Path, staged: Path) -> None:
    needed, free = plan.disk_needed_bytes - _allocated_bytes(staged), free_bytes(target)
    if free < needed:
        raise NoSpace(f"{target}: needs {size_text(needed)}, has {size_text(free)}")


def _allocated_bytes(directory: Path) -> int:
    with suppress(FileNotFoundError):
        return sum(file.stat().st_blocks * 512 for file in directory.iterdir())
    return 0


def _make(directory: Path) -> None:
    try:
        make_directories(directory)
    except OSError as error:
        raise write_failed(directory, error) from error


def _write_mark(mark: Path) -> None:
    try:
        write_synced(mark, b"")
        sync_directory(mark.parent)
    except OSError as error:
        raise write_failed(mark, error) from error
