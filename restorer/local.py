"""What is at the target before a restore: the file, its checkpoint, its lock, the free space."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdc.accelerator import Engine
from cdc.checkpoint import Checkpoint, resumable_until
from cdc.engines import open_accelerator
from cdc.errors import FileBusy, FileEmpty, FileUnusable, FormatUnknown
from restorer.facts import LocalFile
from restorer.part_file import write_failed
from restorer.switch import Origin, read_origin, work_directory
from snapshotter.durable import make_directories

_SQLITE_MAGIC = b"SQLite format 3\0"
_DUCKDB_MAGIC = b"DUCK"
_DUCKDB_MAGIC_AT = 8


def inspect_local(path: Path, dataset: str) -> LocalFile:
    """The file at `path` as a decision needs it. One that holds nothing yet counts as none.

    Opens it with its engine, so an interrupted switch must have been recovered before. Raises
    FileBusy if another process has it open, FileUnusable if it cannot be read at all.
    """
    origin = read_origin(path)
    try:
        engine = engine_of(path)
        if engine is None:
            return LocalFile()
        accelerator = open_accelerator(engine, path, dataset)
        try:
            checkpoint = accelerator.checkpoint()
        finally:
            accelerator.close()
    except FileEmpty:
        return LocalFile()
    except (FileUnusable, FormatUnknown) as error:
        return unreadable_file(origin, str(error))
    if checkpoint is None:
        return LocalFile()  # ours and empty: the bootstrap ended before its first commit
    return local_file(checkpoint, None if origin is None else origin.snapshot_id)


def local_file(checkpoint: Checkpoint, snapshot_id: str | None = None) -> LocalFile:
    """The facts of a file whose checkpoint is known, for a caller that has the file open."""
    return LocalFile(
        exists=True,
        lineage=checkpoint.lineage,
        generation=checkpoint.generation,
        version=checkpoint.version,
        resumable_until=resumable_until(checkpoint),
        is_complete=checkpoint.scan.ended_at is not None,
        snapshot_id=snapshot_id,
        data_at=checkpoint.watermark,
    )


def unreadable_file(origin: Origin | None, problem: str) -> LocalFile:
    """The facts of a file that does not open: one that was restored here is ours all the same."""
    lineage = None if origin is None else origin.lineage
    return LocalFile(exists=True, lineage=lineage, problem=problem)


def engine_of(path: Path) -> Engine | None:
    """The engine whose file this is, from its first bytes; None for no file or an empty one.

    Raises FormatUnknown for any other file, FileUnusable if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_MAGIC))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileUnusable(f"cannot read {path}: {error.strerror}") from error
    if head == _SQLITE_MAGIC:
        return "sqlite"
    if head[_DUCKDB_MAGIC_AT:].startswith(_DUCKDB_MAGIC):
        return "duckdb"
    if head:
        raise FormatUnknown(f"{path} is neither a DuckDB nor a SQLite file")
    return None


def free_bytes(path: Path) -> int:
    """Space that this process may use on the volume that will hold `path`."""
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@contextmanager
def restore_lock(path: Path) -> Iterator[None]:
    """Alone among restores to `path`, in this machine. Raises FileBusy, FileUnusable."""
    work = work_directory(path)
    try:
        make_directories(work)
        descriptor = os.open(work / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise write_failed(work, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileBusy(f"another restore to {path} is running") from error
        yield
    finally:
        os.close(descriptor)
