"""The id under which a node holds the lease: of its file, so that the next process on it goes on.

It lies in the file's work directory, not in the file: snapshots are copies of that, and whoever
restores one is somebody else. A lost or damaged id is made anew, which costs a wait for the lease.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from restorer.switch import work_directory
from snapshotter.durable import make_directories, sync_directory, write_synced

_ID = re.compile(r"[0-9a-f]{32}")


def holder_id(path: Path) -> str:
    """The id beside this file; made where there is none, kept only in memory if it cannot lie."""
    place = work_directory(path) / "holder"
    try:
        found = place.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if _ID.fullmatch(found):
        return found
    made = secrets.token_hex(16)
    half = place.with_name(f"holder-{os.getpid()}-{made[:8]}")
    with suppress(OSError):
        make_directories(place.parent)
        for left in place.parent.glob("holder-*"):  # of a process that was killed
            left.unlink(missing_ok=True)
        write_synced(half, made.encode())
        half.replace(place)
        sync_directory(place.parent)
    return made
