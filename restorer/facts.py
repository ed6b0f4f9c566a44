"""What a restore decision is made from, as values: nothing here is read, measured or judged.

All times are epoch seconds of the service's clock, all sizes bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cdc.checkpoint import RETENTION_SECONDS, Lineage
from snapshotter.format import CatalogEntry, Pointer, Rollback
from snapshotter.layout import SnapshotId

Role = Literal["central", "edge", "operator"]
NearExpired = Literal["recover", "try_resume"]
ShardNotFound = Literal["error", "ready_before_load", "ready_after_load"]
OnFailure = Literal["warn", "retry", "fallback"]

# Stored bytes a second of a whole restore: a modest guess for a small node.
ASSUMED_THROUGHPUT = 60e6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A snapshot that could be restored, as the catalog describes it. `data_at`: its watermark."""

    snapshot_id: str
    lineage_id: str
    generation: int
    version: int
    created_at: float
    resumable_until: float | None
    engine: str
    storage_version: str
    row_count: int
    file_bytes: int
    stored_bytes: int
    quarantined: str | None = None
    data_at: float | None = None

    @staticmethod
    def of(entry: CatalogEntry) -> Candidate:
        """The candidate that a catalog entry describes."""
        return Candidate(
            snapshot_id=entry.snapshot_id,
            lineage_id=entry.lineage_id,
            generation=entry.generation,
            version=entry.version,
            created_at=entry.created_at,
            resumable_until=entry.resumable_until,
            engine=entry.engine,
            storage_version=entry.storage_version,
            row_count=entry.row_count,
            file_bytes=entry.file_bytes,
            stored_bytes=entry.stored_bytes,
            quarantined=entry.quarantined,
            data_at=entry.watermark,
        )


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the bucket could not be asked: one line, and the exit code of a command that needs it."""

    exit_code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Published:
    """What the bucket offers. `candidates`: newest first; `current`: where followers should be.

    `lineage`: of `current`, where it was worth a request.
    """

    candidates: tuple[Candidate, ...] = ()
    current: str | None = None
    lineage_id: str | None = None
    lineage: Lineage | None = None
    hold: str | None = None
    trouble: Trouble | None = None
    rollbacks: tuple[Rollback, ...] = ()

    @staticmethod
    def of(pointer: Pointer, catalog: Iterable[CatalogEntry] | None = None) -> Published:
        """What a pointer offers; `catalog` where more of it was read than the pointer holds."""
        entries = pointer.catalog if catalog is None else catalog
        return Published(
            candidates=tuple(Candidate.of(entry) for entry in entries),
            current=pointer.current,
            lineage_id=pointer.lineage_id,
            hold=pointer.hold,
            rollbacks=pointer.rollbacks,
        )

    def distrusts(self, local: LocalFile) -> bool:
        """True if a person took back what the file holds: it is quarantined, or was left behind."""
        bad = (each for each in self.candidates if each.quarantined is not None)
        return any(map(local.is_at, bad)) or any(map(local.was_left_behind, self.rollbacks))


@dataclass(frozen=True, slots=True)
class LocalFile:
    """The file at the target path. `lineage` is None where it is none of ours; `problem` says why.

    `is_complete`: the bootstrap scan has ended, so the file may be served. `snapshot_id`: what it
    was restored from, where that is known. `data_at`: its watermark.
    """

    exists: bool = False
    lineage: Lineage | None = None
    generation: int = 0
    version: int = 0
    resumable_until: float | None = None
    is_complete: bool = False
    snapshot_id: str | None = None
    problem: str | None = None
    data_at: float | None = None

    @property
    def may_be_served(self) -> bool:
        """True for a complete file of ours, whatever its age."""
        return self.exists and self.lineage is not None and self.is_complete

    def is_at(self, candidate: Candidate) -> bool:
        """True if this is exactly the candidate's state.

        A snapshot taken just after a take-over has a newer generation than the checkpoint inside.
        """
        same = self.generation == candidate.generation or self.snapshot_id == candidate.snapshot_id
        return self._is_like(candidate) and self.version == candidate.version and same

    def is_ahead_of(self, candidate: Candidate) -> bool:
        """True if both are of one lineage and this one is newer."""
        ours = (self.generation, self.version)
        return self._is_like(candidate) and ours > (candidate.generation, candidate.version)

    def was_left_behind(self, rollback: Rollback) -> bool:
        """True if the file goes on from what this rollback went back behind.

        What was restored after it is of its generation or a later one, even without a commit since.
        """
        if not self.may_be_served or self.lineage is None:
            return False
        restored = SnapshotId.parse(self.snapshot_id).generation if self.snapshot_id else 0
        if max(self.generation, restored) >= rollback.generation:
            return False
        return self.lineage.id != rollback.lineage_id or self.version > rollback.version

    def is_superseded_by(self, published: Lineage | None) -> bool:
        """True if the table was bootstrapped again since: what follows is published elsewhere."""
        if published is None or self.lineage is None:
            return False
        is_same_table = self.lineage.table_id == published.table_id
        return is_same_table and self.lineage.epoch < published.epoch

    def _is_like(self, candidate: Candidate) -> bool:
        lineage = self.lineage
        return self.may_be_served and lineage is not None and lineage.id == candidate.lineage_id


@dataclass(frozen=True, slots=True)
class Policy:
    """What the node is allowed and told to do.

    `engine` and `storage_versions`: what this node can open, None for anything. `refresh_seconds`:
    the table is read anew that often, without its stream; None where the stream is followed.
    `retention_seconds`: of the stream; ages count from there.
    """

    role: Role = "central"
    near_expired: NearExpired = "recover"
    shard_not_found_behavior: ShardNotFound = "error"
    bootstrap_on_failure: OnFailure = "fallback"
    allow_bootstrap: bool = True
    replace: bool = False
    engine: str | None = None
    storage_versions: frozenset[str] | None = None
    near_expired_seconds: float = 18 * 3600.0
    expired_seconds: float = 24 * 3600.0
    refresh_seconds: float | None = None
    retention_seconds: float = RETENTION_SECONDS


@dataclass(frozen=True, slots=True)
class Selection:
    """What a person asked for; at most one field is set.

    `at` and `data_version` mean the newest snapshot that is not behind them.
    """

    snapshot_id: str | None = None
    at: float | None = None
    data_version: int | None = None

    @property
    def is_explicit(self) -> bool:
        """True if anything was asked for."""
        return (self.snapshot_id, self.at, self.data_version) != (None, None, None)

    def includes(self, candidate: Candidate) -> bool:
        """True if the candidate is what was asked for, or an older one in its place."""
        if self.snapshot_id is not None:
            return candidate.snapshot_id == self.snapshot_id
        if self.at is not None:
            return candidate.created_at <= self.at
        return self.data_version is None or candidate.version <= self.data_version

    def __str__(self) -> str:
        if self.snapshot_id is not None:
            return f"--snapshot {self.snapshot_id}"
        if self.at is not None:
            return f"--at {self.at:.0f}"
        return "" if self.data_version is None else f"--data-version {self.data_version}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A snapshot tried and found damaged, incomplete or unreadable; `exit_code` says which."""

    snapshot_id: str
    exit_code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured or guessed. `bootstrap_read_units`: None where the table is not known.

    `throughput_bytes_per_second`: stored bytes of a whole restore, until the file can be served.
    `catch_up_rate`: how many seconds of changes are read in one. `source`: table id and stream ARN
    of the configured table, "" for no stream, where they are known.
    """

    now: float
    free_bytes: int
    throughput_bytes_per_second: float = ASSUMED_THROUGHPUT
    catch_up_rate: float = 60.0
    bootstrap_read_units: float | None = None
    source: tuple[str, str] | None = None
    rejected: tuple[Rejection, ...] = ()
