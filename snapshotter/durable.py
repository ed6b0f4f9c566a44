"""Files that are still there after a power cut: what a name needs besides its data.

A rename, link or mkdir lasts when the directory that holds the name was synced. OSError passes
through: the caller knows what the file was for.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path


def write_synced(path: Path, data: bytes) -> os.stat_result:
    """Write a new file and sync it; its times are of the ns clock, not of the kernel's tick."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        now_ns = time.time_ns()
        os.utime(file, ns=(now_ns, now_ns))
        os.fsync(file)
        return os.fstat(file)
    finally:
        os.close(file)


def make_directories(folder: Path) -> None:
    """Create what is missing of the path to `folder`, and `folder`."""
    if folder.is_dir():
        return
    make_directories(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    sync_directory(folder.parent)


def sync_directory(folder: Path) -> None:
    """Make the names in `folder` last."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
