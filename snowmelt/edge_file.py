"""The file of a node that follows snapshots: opened by a name of its own, so that two can be open.

    <path>                       the newest file; replaced by a rename, never written to
    <path>.d/serving/<n>-<name>  the same file by a second name (a hard link), with the engine's
                                 sidecars; one for each file that is open
    <path>.d/serving.lock        held while a node serves

The engine opens a file by its name more than once (a connection for each reader, a process for
queries), and keeps its log beside it. By a name of its own, what was opened first stays one file
while another one takes the place at `path`, and sidecars of the two never meet. Whoever else reads
`path` sees no log of the node: there is none, because nothing is written.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cdc import engines
from cdc.accelerator import Accelerator
from cdc.checkpoint import Checkpoint
from cdc.errors import FileBusy, FileEmpty, FileUnusable, FormatUnknown
from cdc.sqlite_file import FileLock
from restorer.facts import LocalFile
from restorer.local import local_file, restore_lock, unreadable_file
from restorer.part_file import write_failed
from restorer.switch import forget_previous, read_origin, recover, work_directory
from snapshotter.durable import make_directories
from snowmelt.wiring import DatasetPlan


@dataclass(frozen=True, slots=True)
class EdgeFile:
    """A complete file that is open, and what it holds. `snapshot_id`: what it was restored from."""

    accelerator: Accelerator
    checkpoint: Checkpoint
    snapshot_id: str | None

    @property
    def facts(self) -> LocalFile:
        """As a decision needs it."""
        return local_file(self.checkpoint, self.snapshot_id)

    def close(self) -> None:
        """Close it and remove its name."""
        self.accelerator.close()
        _remove_name(self.accelerator.path)


@contextmanager
def alone(plan: DatasetPlan) -> Iterator[None]:
    """Nobody else serves, follows or writes this path, and no switch is left half done.

    Raises FileBusy, FileUnusable, NoSpace, JournalUnreadable.
    """
    path, engine = plan.path, plan.section.acceleration.engine
    with ExitStack() as stack:
        stack.enter_context(_serving_lock(path))
        with suppress(OSError):
            shutil.rmtree(_serving_directory(path))
        with restore_lock(path):
            recover(path)
        _fold_log(plan)
        if engine == "sqlite":
            # DuckDB locks the file itself, which holds for all of its names.
            stack.callback(FileLock(path).release)
        yield


def open_newest(plan: DatasetPlan, number: int) -> EdgeFile | LocalFile:
    """The file at the path, open by its `number`th name; what is there if it cannot be served.

    The file before it is forgotten. Raises FileBusy, NoSpace, FileUnusable for the name.
    """
    origin = read_origin(plan.path)
    snapshot_id = None if origin is None else origin.snapshot_id or None
    if not plan.path.exists():
        return LocalFile()
    link = _linked(plan.path, number)
    try:
        accelerator = engines.open_accelerator(
            plan.section.acceleration.engine,
            link,
            plan.name,
            memory_limit=plan.section.acceleration.memory_limit,
        )
    except FileEmpty:
        return LocalFile()
    except FileBusy:
        raise
    except (FileUnusable, FormatUnknown) as error:
        _remove_name(link)
        return unreadable_file(origin, str(error))
    checkpoint = accelerator.checkpoint()
    if checkpoint is None or checkpoint.scan.ended_at is None:
        accelerator.close()
        _remove_name(link)
        return LocalFile() if checkpoint is None else local_file(checkpoint, snapshot_id)
    forget_previous(plan.path, checkpoint)
    return EdgeFile(accelerator, checkpoint, snapshot_id)


def _serving_directory(path: Path) -> Path:
    return work_directory(path) / "serving"


def _linked(path: Path, number: int) -> Path:
    # In one directory for all, because SQLite sorts beside the first file of a process.
    link = _serving_directory(path) / f"{number}-{path.name}"
    try:
        make_directories(link.parent)
        os.link(path, link)
    except OSError as error:
        raise write_failed(link, error) from error
    return link


def _remove_name(link: Path) -> None:
    for file in link.parent.glob(f"{link.name}*"):
        with suppress(OSError):  # the next start removes what is left
            file.unlink()


@contextmanager
def _serving_lock(path: Path) -> Iterator[None]:
    lock = work_directory(path) / "serving.lock"
    try:
        make_directories(lock.parent)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise write_failed(lock, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileBusy(f"{path}: another node serves it") from error
        yield
    finally:
        os.close(descriptor)


def _fold_log(plan: DatasetPlan) -> None:
    """What a node of another role left in the log belongs into the file, which gets a new name."""
    engine = plan.section.acceleration.engine
    log = engines.sidecars(engine, plan.path)[0]
    if plan.path.exists() and log.exists() and log.stat().st_size:
        engines.fold_log(engine, plan.path)
