"""What a node says of itself: one value per dataset, from which HTTP, metrics and the CLI are made.

State and readiness are two things: *ready* means caught up once and the file is valid, and stays;
*stale* means that the data's age is beyond what was promised, and is a label, not a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal[
    "initializing",
    "restoring",
    "waiting",
    "bootstrapping",
    "catching_up",
    "ready",
    "error",
    "stopping",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a dataset is not as it should be. Times are epoch seconds, None if not known.

    `since`: when it began, whatever was tried in between. `tries`: how many failed in a row.
    `next_try_at`: when it will be tried again.
    """

    message: str
    hint: str
    exit_code: int
    since: float | None
    tries: int = 1
    next_try_at: float | None = None


@dataclass(frozen=True, slots=True)
class SnapshotStatus:
    """The producing side of a dataset. `lease`: held, waiting or lost; None before the first look.

    `lease_holder`: who has it, host and process; None if nobody. `fenced`: it was lost.
    """

    enabled: bool
    lease: str | None = None
    lease_holder: str | None = None
    generation: int | None = None
    last_id: str | None = None
    last_success_at: float | None = None
    last_new_bytes: int = 0
    last_stored_bytes: int = 0
    last_duration_seconds: float = 0.0
    published_total: int = 0
    skipped_total: int = 0
    failed_total: int = 0
    fenced: bool = False
    held_because: tuple[str, ...] = ()
    prune: Mapping[str, Any] | None = None
    held_reasons: tuple[str, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """One dataset at one moment. Times are epoch seconds; None means unknown, never zero.

    `refresh`: of a table that is read anew (`snowmelt.refreshes`); it has no lag. `dropped`: what a
    stream without order brought for nothing, and how ties were told; empty for one with order.
    `catalog`: what the store knows of snapshots (`snowmelt.catalog_watch`). `follow`: of a dataset
    that follows snapshots (`snowmelt.following`).
    """

    name: str
    source: str
    engine: str
    path: str
    role: str
    state: State
    ready: bool
    stale: bool
    problem: Problem | None = None
    lag_ms: float | None = None
    lag_uncertainty_ms: float = 0.0
    watermark: float | None = None
    lineage_id: str | None = None
    generation: int | None = None
    version: int | None = None
    checkpoint_age_seconds: float | None = None
    resumable_until: float | None = None
    rows: int | None = None
    shards: Mapping[str, int] = field(default_factory=dict)
    records_total: int = 0
    batches_total: int = 0
    ttl_deletes_total: int = 0
    errors_total: Mapping[str, int] = field(default_factory=dict)
    errors_transient_total: int = 0
    misfits: Mapping[str, int] = field(default_factory=dict)
    quarantined: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    file_bytes: int | None = None
    disk_bytes: int | None = None
    disk_free_bytes: int | None = None
    wal_bytes: int | None = None
    scan: Mapping[str, Any] | None = None
    snapshot: SnapshotStatus | None = None
    catalog: Mapping[str, Any] | None = None
    restore: Mapping[str, Any] | None = None
    refresh: Mapping[str, Any] | None = None
    follow: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form with documented names."""
        return asdict(self)

    @property
    def not_ready_because(self) -> str | None:
        """One sentence for `/v1/ready` and for refused queries."""
        if self.ready:
            return None
        if self.problem is not None:
            return f"{self.name}: {self.problem.message}"
        if self.state == "bootstrapping" and self.scan:
            return f"{self.name}: bootstrapping, {self.scan['rows']} rows so far"
        if self.state == "restoring" and self.restore and "bytes_to_fetch" in self.restore:
            done, total = self.restore["bytes_fetched"], self.restore["bytes_to_fetch"]
            return f"{self.name}: restoring, {done} of {total} bytes so far"
        return f"{self.name}: {self.state.replace('_', ' ')}"
