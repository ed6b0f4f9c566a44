"""The proof of a fetched file before it goes live: the engine opens it and finds what was promised.

    open with the engine (its log is replayed) · embedded checkpoint = the header's · columns · rows
    · fold the log in, so that one file remains

The blocks were proven by their digests and the map by its root; neither says that the engine can
read what the producer froze. What fails here is the snapshot's fault and counts as damaged.
"""

from __future__ import annotations

import os
from pathlib import Path

from cdc import checkpoint as checkpoints
from cdc.accelerator import Accelerator, Engine
from cdc.engines import fold_log, open_accelerator, sidecars
from cdc.errors import FileUnusable, FormatUnknown
from restorer.part_file import write_failed
from snapshotter.durable import sync_directory
from snapshotter.errors import Corrupt, FormatTooNew
from snapshotter.format import Header


def prove(path: Path, header: Header, engine: Engine) -> None:
    """Prove the file staged at `path`, its log beside it, and fold it into one file.

    Raises Corrupt, FormatTooNew for a file that this engine does not know, NoSpace, FileBusy.
    """
    where = f"snapshot {header.snapshot_id}"
    try:
        accelerator = open_accelerator(engine, path, header.dataset)
        try:
            compare(accelerator, header, where)
        finally:
            accelerator.close()
        if any(log.exists() for log in sidecars(engine, path)):
            fold_log(engine, path)
    except FormatUnknown as error:
        raise FormatTooNew(f"{where} cannot be opened by this {engine}: {error}") from error
    except FileUnusable as error:
        raise Corrupt(f"{where} does not open: {error}") from error


def sync(path: Path) -> None:
    """Make the file and its name last. Raises NoSpace, FileUnusable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(path.parent)
    except OSError as error:
        raise write_failed(path, error) from error


def compare(accelerator: Accelerator, header: Header, where: str) -> None:
    """Raise Corrupt unless the file says of itself what the header promises."""
    found = accelerator.checkpoint()
    if found is None or checkpoints.encode(found) != checkpoints.encode(header.checkpoint):
        raise Corrupt(f"{where}: the checkpoint in the file is not that of the manifest")
    if accelerator.columns().encode() != header.columns:
        raise Corrupt(f"{where}: the columns in the file are not those of the manifest")
    rows = accelerator.row_count()
    if rows != header.row_count:
        raise Corrupt(f"{where}: {rows} rows in the file, {header.row_count} in the manifest")
