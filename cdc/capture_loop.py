"""The loop of capture: one thread that decides and commits, while others call the source.

A turn: submit what is due, take the results that are ready (as long as they are small together),
submit what became due, commit what the results brought. While a commit runs the next pages are
fetched, so a backlog makes batches larger and an idle table makes them immediate, without a
setting. Readiness begins anew with each process.
"""

from __future__ import annotations

import random
from functools import partial

import structlog

from cdc import watermark as watermarks
from cdc.accelerator import Accelerator
from cdc.backoff import Reaction, reaction
from cdc.bootstrap import ScanRun
from cdc.capture_commit import Committer
from cdc.capture_start import Opened, check_no_gap, check_same_source, horizon_of
from cdc.capture_status import CaptureSettings, CaptureStatus, Phase, ScanStatus, StatusBoard
from cdc.errors import DestinationDisabled, NoSpace
from cdc.misfits import totals_of
from cdc.pace import FULL_LISTING_SECONDS
from cdc.polling import Fetched, PageFetched, ScanFetched, ShardsFetched, Workers, scan_page
from cdc.reader import StreamReader
from cdc.records import ScanPage
from cdc.source import Source
from cdc.troubles import Troubles

IDLE_COMMIT_SECONDS = 60.0
RESULTS_PER_STEP = 20
_BATCH_BYTES = 16 * 1024 * 1024
_ADVANCE_SECONDS = 1.0  # margins are minutes
_STATUS_SECONDS = 0.05
_STATUS_SECONDS_PER_SHARD = 0.0001  # seven thousand listed shards are looked at rarely
_FALLEN_BEHIND = 5  # times the lag of readiness: not following any more

_log = structlog.get_logger(__name__)


class Loop:
    """One run from a checkpoint on; all of it is used by one thread."""

    def __init__(
        self,
        source: Source,
        accelerator: Accelerator,
        settings: CaptureSettings,
        workers: Workers,
        troubles: Troubles,
        opened: Opened,
        committer: Committer,
        board: StatusBoard,
    ) -> None:
        now = workers.monotonic()
        self._source = source
        self._accelerator = accelerator
        self._settings = settings
        self._workers = workers
        self._troubles = troubles
        self._jitter = random.random
        self._description = opened.description
        self._committer = committer
        self._board = board
        self._reader = StreamReader(source, opened.graph, workers, troubles, settings, self._jitter)
        if opened.is_bootstrap:
            self._reader.discovery.full_at = now + FULL_LISTING_SECONDS
        self._scan = ScanRun(opened.checkpoint.scan, now, settings.scan_max_rcu)
        self._scan_pages: list[ScanPage] = []
        self._most_scans = 2 * settings.scan_threads
        self._counters = dict(accelerator.counters())
        self._started_at = source.now()
        self._advance_at = now
        self._committed_at = now
        self._show_at = now
        self._is_ready = False
        self._is_halted = False
        self._upkeep_is_pending = False
        _log.info(
            "capture_started",
            table=self._description.table_name,
            bootstrap=opened.is_bootstrap,
            shards=opened.graph.by_state(),
            scan_segments=self._scan.total_segments,
        )

    def step(self) -> None:
        """One turn: submit, take results, submit again, commit, show."""
        now = self._workers.monotonic()
        if now >= self._advance_at:
            self._advance_at = now + _ADVANCE_SECONDS
            self._reader.advance(self._source.now())
        self._submit_due(now)
        wait = min(max(self._next_at() - now, 0.0), IDLE_COMMIT_SECONDS)
        results = self._workers.results(wait, RESULTS_PER_STEP)
        while results:
            now = self._workers.monotonic()
            for result in results:
                self._take(result, now)
            # What came meanwhile joins the batch, for as long as it is small.
            is_small = self._reader.pending_bytes < _BATCH_BYTES
            is_more = len(results) == RESULTS_PER_STEP and is_small
            results = self._workers.results(0.0, RESULTS_PER_STEP) if is_more else []
        now = self._workers.monotonic()
        self._submit_due(now)
        if self._commit():
            self._committed_at = now
            self._maintain(is_idle=False)
        elif now - self._committed_at >= IDLE_COMMIT_SECONDS:
            self._committed_at = now
            self._commit_proofs()
            self._maintain(is_idle=True)
        elif self._upkeep_is_pending:
            self._maintain(is_idle=False)
        if self._committer.is_of_older_generation:
            self._commit_proofs()  # who took over publishes nothing before
        if now >= self._show_at:
            self._show(now)

    def finish(self) -> None:
        """Commit what was handed over; calls still under way are forgotten."""
        self._commit()
        self._show(self._workers.monotonic(), phase="stopped")

    # ------------------------------------------------------------ calls and results

    def _submit_due(self, now: float) -> None:
        self._reader.submit_due(now)
        for ask in self._scan.ask(now, self._most_scans):
            self._workers.submit("scan", partial(scan_page, self._source, ask))

    def _next_at(self) -> float:
        scan_at = self._scan.next_at(self._most_scans)
        return min(self._reader.next_at(), float("inf") if scan_at is None else scan_at)

    def _take(self, result: Fetched, now: float) -> None:
        match result:
            case PageFetched():
                self._reader.take_page(result, now)
            case ScanFetched():
                self._take_scan_page(result, now)
            case ShardsFetched():
                self._take_identity(result)
                self._reader.take_listing(result, now)

    def _take_scan_page(self, result: ScanFetched, now: float) -> None:
        operation = f"scan:{result.segment}"
        if result.error is not None:
            self._troubles.failed(operation, result.error, self._source.now())
            if reaction(result.error) not in (Reaction.RETRY, Reaction.PERSIST):
                raise result.error
            self._scan.failed(result.segment, result.error, now, self._jitter())
        elif result.page is not None:
            self._troubles.succeeded(operation)
            self._scan.hand_over(result.segment, result.page, result.size_bytes, now)
            self._scan_pages.append(result.page)

    def _take_identity(self, result: ShardsFetched) -> None:
        error = result.description_error
        if result.description is not None:
            self._troubles.succeeded("describe")
            check_same_source(self._committer.checkpoint.lineage, result.description)
            check_no_gap(self._committer.retention_seconds, result.description)
            self._description = result.description
            self._reader.graph.keep_to(horizon_of(result.description))
            self._committer.keep_to(result.description.retention_seconds)
        elif error is not None:
            # Disabled, deleted or denied: what the stream still holds is read to its end.
            self._troubles.failed("describe", error, self._source.now())
            if isinstance(error, DestinationDisabled):
                self._committer.retention_seconds = 0.0  # for ever: see `cdc.capture_start`

    # ------------------------------------------------------------ commits

    def _commit(self) -> bool:
        """Commit what is pending; the scan's pages last, because that checkpoint covers both."""
        pages = self._reader.take_pending()
        scanned, self._scan_pages = self._scan_pages, []
        if self._is_halted or not (pages or scanned):
            return False
        shards, mark = self._reader.graph.progress(), self._watermark()
        if pages and not self._committer.commit_stream(pages, shards, mark):
            self._is_halted = True
            return False
        if scanned:
            scan = self._scan.progress(self._source.now())
            if not self._committer.commit_scan(scanned, shards, mark, scan):
                self._is_halted = True
                return False
            if scan.ended_at is not None:
                _log.info("scan_ended", table=self._description.table_name, rows=scan.rows)
        return True

    def _commit_proofs(self) -> None:
        """Commit the checkpoint alone if a shard's proof or position moved without a record."""
        shards = self._reader.graph.progress()
        if shards != self._committer.checkpoint.shards and not self._is_halted:
            self._is_halted = not self._committer.commit_stream([], shards, self._watermark())

    def _maintain(self, *, is_idle: bool) -> None:
        try:
            self._upkeep_is_pending = self._committer.maintain(idle=is_idle).is_pending
        except NoSpace as error:  # rows are committed; folding them can wait for space
            self._troubles.failed("maintain", error, self._source.now(), is_loud=True)
        else:
            self._troubles.succeeded("maintain")

    def _watermark(self) -> float | None:
        checkpoint = self._committer.checkpoint
        if not checkpoint.lineage.has_stream:
            return checkpoint.scan.started_at
        return watermarks.watermark(self._reader.graph.shards())

    # ------------------------------------------------------------ status

    def _show(self, now: float, phase: Phase | None = None) -> None:
        service_now = self._source.now()
        shards = list(self._reader.graph.shards())
        self._show_at = now + max(_STATUS_SECONDS, len(shards) * _STATUS_SECONDS_PER_SHARD)
        scan_ended_at = self._committer.checkpoint.scan.ended_at
        if not self._is_ready and watermarks.is_ready(
            shards,
            scan_ended_at=scan_ended_at,
            started_at=self._started_at,
            now=service_now,
            ready_lag_seconds=self._settings.ready_lag_ms / 1000,
            has_stream=self._committer.checkpoint.lineage.has_stream,
        ):
            self._is_ready = True
            _log.info("capture_ready", table=self._description.table_name)
            self._commit_proofs()  # a snapshot of an idle table should carry them, too
        mark = self._watermark()
        is_over = self._reader.graph.is_over()
        reason, since = self._degraded(service_now, is_over=is_over)
        committer = self._committer
        self._board.put_up(
            CaptureStatus(
                phase=phase or self._phase(mark, service_now),
                ready=self._is_ready,
                degraded=reason,
                degraded_since=since,
                watermark=mark,
                checkpoint=committer.checkpoint,
                stream_is_over=is_over,
                shards=self._reader.graph.by_state(),
                shards_without_child=self._reader.discovery.overdue(now),
                scan=self._scan_status(now),
                records_total=committer.records,
                batches_total=committer.batches,
                deletes_total=committer.deletes,
                ttl_deletes_total=committer.ttl_deletes,
                quarantined_total=self._quarantined(),
                dropped=committer.dropped,
                empty_polls_total=self._reader.empty_polls,
                iterator_refreshes_total=self._reader.iterator_refreshes,
                transient_errors_total=self._troubles.transient_total,
                errors=dict(self._troubles.errors),
                misfits=totals_of(self._counters, committer.misfits),
                last_error=self._troubles.last_error,
            )
        )

    def _phase(self, mark: float | None, service_now: float) -> Phase:
        if self._committer.checkpoint.scan.ended_at is None:
            return "bootstrapping"
        lag = watermarks.lag_seconds(mark, service_now)
        bound = _FALLEN_BEHIND * self._settings.ready_lag_ms / 1000
        return "following" if self._is_ready and lag is not None and lag <= bound else "catching_up"

    def _degraded(self, service_now: float, *, is_over: bool) -> tuple[str | None, float | None]:
        worst = self._troubles.degraded(service_now)
        if worst is not None:
            return worst
        if is_over:
            mark = self._watermark()
            return "the stream is disabled and read to its end: rows stand still", mark
        late = self._reader.discovery.overdue(self._workers.monotonic())
        if late:
            return f"{late} shards ended minutes ago and no shard that follows is listed", None
        quarantined = self._quarantined()
        if quarantined:
            return f"{quarantined} records could not be decoded and are in quarantine", None
        return None, None

    def _scan_status(self, now: float) -> ScanStatus:
        return ScanStatus(
            rows=self._scan.rows,
            segments_done=self._scan.segments_done,
            segments=self._scan.total_segments,
            rows_per_second=self._scan.rows_per_second(now),
            eta_seconds=self._scan.eta_seconds(self._description.item_count, now),
            ended_at=self._committer.checkpoint.scan.ended_at,
        )

    def _quarantined(self) -> int:
        return self._counters.get("quarantined", 0) + self._committer.quarantined
