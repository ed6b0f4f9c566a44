"""Copies of prepared files, for sides that write to them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def copied(source: str | Path, target: Path) -> Path:
    """The file at `target`, or in it if that is a directory, and on the disk.

    As a file that was restored or filled is: else a side's first sync would write all of it.
    """
    path = Path(shutil.copy(source, target))
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path
