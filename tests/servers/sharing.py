"""A directory whose file system shares extents between files, as XFS and Btrfs do.

Where that of the tests does not, root mounts an XFS in a file of its own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CLONE = 0x40049409  # FICLONE
_BYTES = 512 * 1024 * 1024
_MISSING = "the file system of the tests shares no extents, and an XFS cannot be mounted here: "


@contextmanager
def sharing_extents(folder: Path) -> Iterator[Path]:
    """Skips the test, and says why, where there is none."""
    if _shares(folder):
        yield folder
        return
    program = shutil.which("mkfs.xfs")
    if program is None or os.geteuid() != 0:
        pytest.skip(f"{_MISSING}it takes root, and the program mkfs.xfs")
    image, place = folder / "xfs.img", folder / "xfs"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(_BYTES)
    subprocess.run([program, "-q", "-m", "reflink=1", image], check=True)
    mounted = subprocess.run(
        ["mount", "-t", "xfs", "-o", "loop", image, place],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(_MISSING + mounted.stderr.strip())
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def _shares(folder: Path) -> bool:
    one, other = folder / "one", folder / "other"
    one.write_bytes(bytes(4096))
    with one.open("rb") as source, other.open("wb") as target:
        try:
            fcntl.ioctl(target, _CLONE, source.fileno())
        except OSError:
            return False
    return True
