"""What the catalog knows of a dataset's snapshots, looked at now and then for status and metrics.

Drills and verifications are made elsewhere and stand in the pointer. A store that is away leaves
the last word as it is: an age goes on growing by itself. Of a catalog with older pages the newest
entries count.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from snapshotter.catalog import newest_good
from snapshotter.errors import SnapshotError
from snapshotter.format import Pointer, Verified
from snapshotter.proofs import last_verified, newest_proven
from snapshotter.reader import read_pointer
from snapshotter.scheduler import Ticker
from snapshotter.store import ObjectStore
from snowmelt.logs import logger

_EVERY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class CatalogFacts:
    """Of the snapshots that may be restored: when the newest, and the newest proven, were made.

    `proven_at`: when that was proven. `verified`: the last look at any snapshot.
    """

    newest_id: str | None = None
    newest_created_at: float | None = None
    proven_id: str | None = None
    proven_created_at: float | None = None
    proven_at: float | None = None
    content_digest: str | None = None
    verified: Verified | None = None


def facts_of(pointer: Pointer) -> CatalogFacts:
    """What a pointer says."""
    newest = newest_good(pointer)
    proven = newest_proven(pointer.catalog, pointer.current)
    facts = CatalogFacts(verified=last_verified(pointer.catalog))
    if newest is not None:
        facts = replace(facts, newest_id=newest.snapshot_id, newest_created_at=newest.created_at)
    if proven is not None:
        facts = replace(
            facts,
            proven_id=proven.snapshot_id,
            proven_created_at=proven.created_at,
            proven_at=proven.proven_at,
            content_digest=proven.content_digest,
        )
    return facts


class CatalogBoard:
    """Where the last look stands; None before the first."""

    def __init__(self) -> None:
        self.facts: CatalogFacts | None = None

    def look(self, store: ObjectStore, dataset: str) -> None:
        """Read the pointer; one that cannot be read changes nothing."""
        try:
            self.facts = facts_of(read_pointer(store, dataset))
        except SnapshotError:
            return  # whoever needs the store says so; there may be no snapshot yet

    def described(self) -> dict[str, Any] | None:
        """JSON-ready."""
        facts = self.facts
        if facts is None:
            return None
        return asdict(facts) | {"verified": facts.verified and facts.verified._asdict()}


def watching(board: CatalogBoard, store: ObjectStore, dataset: str) -> Ticker:
    """What looks every half minute, once it is started."""
    log = logger(dataset=dataset)
    return Ticker(
        lambda: board.look(store, dataset),
        every_seconds=_EVERY_SECONDS,
        on_error=lambda error: log.error("snapshot_bug", exc_info=error),
        name=f"catalog-{dataset}",
    )
