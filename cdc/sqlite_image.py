"""A frozen image opened by another process, from the very bytes that a snapshot takes.

A second name of the main file (a hard link) and a copy of the log up to its cut lie beside each
other in `<path>.image/` for a moment; a process of its own opens them read-only. So nothing of the
size of the file is copied, and neither the writer's memory nor its locks and wal-index are in play:
within one process SQLite would know the file again under its second name, and share them.

The state is one row. Where asked, quick_check goes through every page, and the rows are counted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cdc import checkpoint as checkpoints
from cdc import sqlite_image_reader
from cdc.accelerator import FrozenPart, Reopened
from cdc.sqlite_schema import columns_of

_STATE_SECONDS = 60.0
_EVERYTHING_SECONDS = 3600.0
_PIECE_BYTES = 4 * 1024 * 1024


def reopened(path: Path, parts: Sequence[FrozenPart], *, counts: bool) -> Reopened | None:
    """What SQLite finds in these parts, the main file first; None where it cannot be tried.

    That is where the file system has no hard links, or no room for the log.
    """
    folder = Path(f"{path}.image")
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    try:
        image = _image(folder, path, parts)
        return None if image is None else _asked(image, has_log=len(parts) > 1, counts=counts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _image(folder: Path, path: Path, parts: Sequence[FrozenPart]) -> Path | None:
    """The parts as files that belong together."""
    image = folder / "image"
    try:
        folder.mkdir()
        os.link(path, image)
        for part in parts[1:]:
            _copy(part, Path(f"{image}-wal"))
    except OSError:
        return None
    return image


def _copy(part: FrozenPart, target: Path) -> None:
    with target.open("wb") as file:
        for offset in range(0, part.length, _PIECE_BYTES):
            file.write(part.read(offset, min(_PIECE_BYTES, part.length - offset)))


def _asked(image: Path, *, has_log: bool, counts: bool) -> Reopened:
    try:
        answer = subprocess.run(  # noqa: S603 - our own file, run by our own interpreter
            [
                *(sys.executable, "-I", "-S", sqlite_image_reader.__file__, str(image)),
                *(["log"] if has_log else []),
                *(["everything"] if counts else []),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_EVERYTHING_SECONDS if counts else _STATE_SECONDS,
            check=False,
            env={},
        )
        found = json.loads(answer.stdout)
        if "trouble" in found:
            return Reopened(trouble=found["trouble"])
        columns = columns_of([tuple(row) for row in found["columns"]])
        return Reopened(checkpoints.decode(*found["checkpoint"]), columns, found["rows"])
    except subprocess.TimeoutExpired:
        return Reopened(trouble="the process that reads it gave no answer")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Reopened(trouble=f"the process that reads it failed: {error!r}")
