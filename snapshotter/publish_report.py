"""What a publish did, for logs, status and people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishReport:
    """One snapshot that was published.

    `new_bytes`: packs and manifest that were added. `stored_bytes`: all frames that the snapshot
    refers to. `packs_emptied`: whose live blocks are among the new ones. `renewal`: no record had
    been applied since the snapshot before. `full`: it shares nothing with older ones. `overruled`:
    what spoke against it, and a person published all the same (`snapshotter.objections`).
    """

    snapshot_id: str
    reason: str
    new_bytes: int
    stored_bytes: int
    file_bytes: int
    blocks_total: int
    blocks_new: int
    packs_emptied: int
    duration_seconds: float
    renewal: bool
    full: bool
    overruled: tuple[str, ...] = ()
