"""What the last restore of a file did, remembered beside it: `<path>.d/restored.json`.

An init container cannot be asked for metrics, so the node that opens the file tells them; and how
fast the restore was is the best guess for the next one on this machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cdc.errors import FileUnusable
from restorer.facts import ASSUMED_THROUGHPUT
from restorer.switch import read_origin, work_directory
from snowmelt.init_container import write_report

# Of less, the time tells of requests and of the engine's start, not of the line.
_LEAST_MEASURED_BYTES = 16 * 1024 * 1024
_MEASURED_PHASES = ("fetch", "fsync", "prove", "switch")


def remember(path: Path, document: dict[str, Any]) -> None:
    """Keep what a restore to `path` did; one that cannot be kept is no failure of the restore."""
    if document.get("snapshot_id") is None:
        return
    try:
        write_report(_file(path), document)
    except FileUnusable:
        return


def last_restore(path: Path) -> dict[str, Any] | None:
    """What `remember` was given, if the file at `path` still comes from that snapshot."""
    try:
        found = json.loads(_file(path).read_bytes())
        phases = {str(name): float(seconds) for name, seconds in found["phases"].items()}
        fetched, rejected = int(found["bytes_fetched"]), [*found["rejected"]]
        spared = sum(int(found.get(name, 0)) for name in ("bytes_kept", "bytes_seeded"))
        snapshot_id = str(found["snapshot_id"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    origin = read_origin(path)
    if origin is None or origin.snapshot_id != snapshot_id:
        return None
    return {
        "snapshot_id": snapshot_id,
        "phases": phases,
        "bytes_fetched": fetched,
        "bytes_spared": spared,
        "rejected": rejected,
    }


def throughput(path: Path) -> float:
    """Stored bytes a second of the last restore here; a guess, where it was too small or none.

    What was mostly there already tells of the disk, not of the line.
    """
    last = last_restore(path)
    if last is None or last["bytes_fetched"] < max(_LEAST_MEASURED_BYTES, last["bytes_spared"]):
        return ASSUMED_THROUGHPUT
    seconds = sum(last["phases"].get(name, 0.0) for name in _MEASURED_PHASES)
    measured: float = last["bytes_fetched"] / max(seconds, 1e-3)
    return measured


def _file(path: Path) -> Path:
    return work_directory(path) / "restored.json"
