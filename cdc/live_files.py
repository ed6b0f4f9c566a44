"""Reading a file that an engine of this process may have open, without taking its locks away.

Closing any descriptor of a file drops all POSIX locks that the process has on it, those of SQLite
and DuckDB too. So whoever else reads such a file gets a descriptor that is closed behind the
engine's own, however long that takes.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

FileId = tuple[int, int]


@dataclass(slots=True)
class _Open:
    engines: int = 0
    readers: int = 0
    descriptors: list[int] = field(default_factory=list)


_files: dict[FileId, _Open] = {}
_lock = threading.Lock()


def note(path: Path) -> FileId:
    """An engine has, or is about to have, this file open, until `forget`."""
    status = path.stat()
    file_id = (status.st_dev, status.st_ino)
    with _lock:
        _files.setdefault(file_id, _Open()).engines += 1
    return file_id


def forget(file_id: FileId) -> None:
    """The engine has closed it."""
    with _lock:
        _files[file_id].engines -= 1
        _close_unused(file_id)


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """An engine opens this file in the block, which has to `note` it before the end."""
    file_id: FileId | None = None
    with suppress(OSError):
        file_id = note(path)
    try:
        yield
    finally:
        if file_id is not None:
            forget(file_id)


@contextmanager
def reading(path: Path) -> Iterator[int]:
    """A descriptor to read a regular file by, which is not to be closed. Raises OSError."""
    file_id, descriptor = _opened(path)
    try:
        yield descriptor
    finally:
        with _lock:
            _files[file_id].readers -= 1
            _close_unused(file_id)


def _opened(path: Path) -> tuple[FileId, int]:
    with _lock:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        opened = _files.get((status.st_dev, status.st_ino))
        if opened is None or not opened.descriptors:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            status = os.fstat(descriptor)
            opened = _files.setdefault((status.st_dev, status.st_ino), _Open())
            opened.descriptors.append(descriptor)
        opened.readers += 1
        return (status.st_dev, status.st_ino), opened.descriptors[0]


def _close_unused(file_id: FileId) -> None:
    opened = _files[file_id]
    if opened.engines == 0 and opened.readers == 0:
        for descriptor in opened.descriptors:
            os.close(descriptor)
        del _files[file_id]
