"""What a publish did, for logs, status and people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from snapshotter.assemble import Draft, StoredPart
from snapshotter.format import Header


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


def report_of(header: Header, draft: Draft, parts: Sequence[StoredPart]) -> PublishReport:
    """What was published, without why and how long it took."""
    return PublishReport(
        snapshot_id=header.snapshot_id,
        reason="",
        new_bytes=header.new_bytes,
        stored_bytes=header.stored_bytes,
        file_bytes=header.file_bytes,
        blocks_total=sum(part.block_count for part in header.parts),
        blocks_new=sum(part.blocks_new for part in parts),
        packs_emptied=len(draft.emptied),
        duration_seconds=0.0,
        renewal=False,
        full=draft.base is None,
    )
