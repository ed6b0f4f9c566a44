"""A folder of one's own for a while: for one dataset, emptied before and removed afterwards.

What a killed process left there is removed by the next. The folder's name is known, so in a folder
that everybody may write to it has to belong to us and to be no link.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdc.errors import FileBusy, FileUnusable
from restorer.part_file import write_failed

_LOCK = "lock"


@contextmanager
def scratch_folder(root: Path, dataset: str) -> Iterator[Path]:
    """An empty folder below `root`. Raises FileBusy if another process uses it, FileUnusable."""
    folder = root.absolute() / f"snowmelt-drill-{os.geteuid()}-{dataset}"
    try:
        descriptor = _locked(folder)
    except OSError as error:
        raise write_failed(folder, error) from error
    try:
        _empty(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _locked(folder: Path) -> int:
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise FileUnusable(
                f"{folder} is not a folder of this user",
                hint="remove it, or name another --scratch",
            )
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(folder / _LOCK, flags, 0o600)
        except FileNotFoundError:
            continue  # its last user has just removed it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise FileBusy(f"another drill runs in {folder}") from error
        if _is_there(folder / _LOCK, descriptor):
            return descriptor
        os.close(descriptor)


def _is_there(path: Path, descriptor: int) -> bool:
    """False if the lock is of a folder that was removed since it was opened."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _empty(folder: Path) -> None:
    for left in folder.iterdir():
        if left.name == _LOCK:
            continue
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
