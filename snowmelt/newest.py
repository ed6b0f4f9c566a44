"""The newest snapshot of a dataset, from which its producer's triggers count. Pure.

Of a followed table each lineage begins anew: its first snapshot is due at once, because until then
a new node has to bootstrap. A table that is read anew gets a lineage with each refresh, and a node
can start from any of them, so there a refresh is a change like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cdc.capture_status import CaptureStatus
from cdc.checkpoint import Checkpoint
from snapshotter.format import CatalogEntry
from snapshotter.trigger import TriggerFacts

# Changes of before this process count as one batch, because nobody knows how many they were.
_UNKNOWN_BATCHES = -1


@dataclass(frozen=True, slots=True)
class Newest:
    """`at`: monotonic seconds. `batches`: how many this process had committed when it was frozen.

    `has_stream`: it can be resumed from; else it was read by Scan alone.
    """

    lineage_id: str
    version: int
    at: float
    batches: int
    has_stream: bool = True

    @classmethod
    def frozen(cls, checkpoint: Checkpoint, at: float, batches: int) -> Newest:
        """One that this process has just published."""
        lineage = checkpoint.lineage
        return cls(lineage.id, checkpoint.version, at, batches, lineage.has_stream)

    @classmethod
    def found(cls, entry: CatalogEntry, at: float, capture: CaptureStatus | None) -> Newest:
        """One that lay in the store already."""
        stored = capture.checkpoint if capture else None
        is_same = stored is not None and stored.version == entry.version
        return cls(
            entry.lineage_id,
            entry.version,
            at,
            0 if is_same else _UNKNOWN_BATCHES,
            has_stream=entry.resumable_until is not None,
        )

    def of_an_earlier_capture(self) -> Newest:
        """The same, once batches are counted anew."""
        return replace(self, batches=_UNKNOWN_BATCHES)

    def stands_for(self, checkpoint: Checkpoint) -> bool:
        """True if a new node need not wait for a snapshot of this state: it can take this one."""
        is_refresh = not self.has_stream and not checkpoint.lineage.has_stream
        return is_refresh or checkpoint.lineage.id == self.lineage_id


def facts_since(
    newest: Newest | None, capture: CaptureStatus, checkpoint: Checkpoint
) -> TriggerFacts:
    """What happened since the newest snapshot."""
    if newest is None or not newest.stands_for(checkpoint):
        return TriggerFacts(ready=capture.ready, last_at=None)
    if not checkpoint.lineage.has_stream:
        refreshes = int(checkpoint.lineage.id != newest.lineage_id)
        return TriggerFacts(capture.ready, newest.at, batches=refreshes, refreshes=refreshes)
    return TriggerFacts(
        ready=capture.ready,
        last_at=newest.at,
        batches=capture.batches_total - newest.batches,
        advanced=checkpoint.version != newest.version,
    )
