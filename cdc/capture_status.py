"""What capture is told and what it tells: settings and status as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from cdc.checkpoint import RETENTION_SECONDS, Checkpoint, age_seconds, resumable_until
from cdc.column_rules import ColumnRules
from cdc.ordering_counts import Dropped
from cdc.troubles import Troubles
from cdc.watermark import RESOLUTION_SECONDS, lag_seconds

# A quarter of the stream's retention is left: as old as a checkpoint that counts as near-expired.
NEARING_SHARE = 0.75

Phase = Literal["starting", "bootstrapping", "catching_up", "following", "stopped"]


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """How to read. `scan_segments` None: by the table's item count.

    `shard_calls_per_second` is the service's limit; emulators have none. `max_calls_per_second`
    bounds the polls of all shards together, those behind a full page apart. `in_flight_bytes`
    bounds the pages of the stream that are asked for or wait for their commit.
    """

    ready_lag_ms: int = 2_000
    poll_interval_seconds: float = 0.25
    shard_calls_per_second: float = 5.0
    max_calls_per_second: float = 1_000.0
    stream_threads: int = 32
    scan_threads: int = 8
    scan_segments: int | None = None
    scan_max_rcu: float | None = None
    in_flight_bytes: int = 64 * 1024 * 1024
    # Records older than this before the bootstrap's start are left to the scan. Clocks may differ
    # by as much, and creation times of an emulator are rounded to the minute.
    skip_slack_seconds: float = 300.0
    columns: ColumnRules = field(default_factory=ColumnRules)
    indexes_from_table: bool = False
    gives_back_space: bool = False
    # A node waits until somebody makes room; a command that loads once ends and says so.
    waits_for_space: bool = True


@dataclass(frozen=True, slots=True)
class ScanStatus:
    """Progress of the bootstrap scan."""

    rows: int = 0
    segments_done: int = 0
    segments: int = 0
    rows_per_second: float = 0.0
    eta_seconds: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class CaptureStatus:
    """Where capture stands. Times are service time, epoch seconds; None means unknown.

    `degraded`: what a person should know, although capture goes on; `degraded_since` its begin.
    `failing`: what the stream says instead of records, or one of its shards, once that lasts.
    `trouble_since`: begin of the oldest trouble that is not over, however short.
    `trouble_exit_code`: what kind of trouble it is, by the code that a command would end with.
    `deletes_total`: items that commits of this process deleted, those of time to live among them.
    `dropped`: what a stream without order brought for nothing, in this process.
    """

    phase: Phase = "starting"
    ready: bool = False
    degraded: str | None = None
    degraded_since: float | None = None
    failing: str | None = None
    trouble_since: float | None = None
    trouble_exit_code: int | None = None
    lag_ms: int | None = None
    lag_uncertainty_ms: int = int(RESOLUTION_SECONDS * 1000)
    watermark: float | None = None
    checkpoint: Checkpoint | None = None
    checkpoint_age_seconds: float | None = None
    resumable_until: float | None = None
    stream_is_over: bool = False
    shards: Mapping[str, int] = field(default_factory=dict)
    shards_without_child: int = 0
    scan: ScanStatus = field(default_factory=ScanStatus)
    records_total: int = 0
    batches_total: int = 0
    deletes_total: int = 0
    ttl_deletes_total: int = 0
    quarantined_total: int = 0
    dropped: Dropped = field(default_factory=Dropped)
    empty_polls_total: int = 0
    iterator_refreshes_total: int = 0
    transient_errors_total: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    misfits: Mapping[str, int] = field(default_factory=dict)
    last_error: str | None = None

    @property
    def away_since(self) -> float | None:
        """Since when the source does not answer: before anything is read at once, else if it lasts.

        Before anything is read nothing can be replayed either.
        """
        return self.trouble_since if self.phase == "starting" else self.degraded_since


class StatusBoard:
    """The last status that the loop put up, aged to the moment of asking. Thread-safe."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._status = CaptureStatus()
        self._troubles = Troubles()

    def watch(self, troubles: Troubles) -> None:
        """Ask these for what lasts, because a loop that waits for space puts up nothing."""
        self._troubles = troubles

    def put_up(self, status: CaptureStatus) -> None:
        """Replace the status; the fields that depend on the time of asking are filled later."""
        if (status.degraded is None) != (self._status.degraded is None):
            _tell(status)
        self._status = status

    def status(self) -> CaptureStatus:
        """The status now: a loop that hangs shows as a lag that grows."""
        status = self._status
        now = self._now()
        follows = status.checkpoint is None or status.checkpoint.lineage.has_stream
        lag = lag_seconds(status.watermark, now) if follows else None
        until = None if status.checkpoint is None else resumable_until(status.checkpoint)
        degraded, since = self._troubles.degraded(now) or (status.degraded, status.degraded_since)
        keeps = RETENTION_SECONDS
        if status.checkpoint is not None:
            keeps = status.checkpoint.retention_seconds
        age = None if until is None else age_seconds(until, now, retention_seconds=keeps)
        if degraded is None and status.phase != "starting" and until is not None:
            degraded = _nearing(until, now, keeps)
        return replace(
            status,
            degraded=degraded,
            degraded_since=since,
            failing=self._troubles.of_stream(now),
            trouble_since=self._troubles.since(),
            trouble_exit_code=self._troubles.exit_code(now),
            lag_ms=None if lag is None else round(lag * 1000),
            resumable_until=until,
            checkpoint_age_seconds=age,
        )


def _nearing(until: float, now: float, keeps: float) -> str | None:
    """What a person should know where reading goes on, but falls behind. `keeps`: seconds."""
    if age_seconds(until, now, retention_seconds=keeps) < NEARING_SHARE * keeps:
        return None
    hours = max(0.0, until - now) / 3600
    return f"the oldest unread change can be read for {hours:.1f} h more, then a gap is certain"


def _tell(status: CaptureStatus) -> None:
    import structlog  # 0.2 s that verbs without a capture do not spend

    _log = structlog.get_logger(__name__)
    table = None if status.checkpoint is None else status.checkpoint.lineage.table_name
    if status.degraded is None:
        _log.info("capture_recovered", table=table)
    else:
        _log.warning("capture_degraded", table=table, message=status.degraded)
