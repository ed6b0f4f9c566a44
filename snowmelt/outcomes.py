"""How publishing went, as a producer's status and log say it."""

from __future__ import annotations

from dataclasses import asdict, replace

from snapshotter.errors import Held, SnapshotError
from snapshotter.publish_report import PublishReport
from snowmelt.clockwork import Clockwork
from snowmelt.logs import logger
from snowmelt.report import problem_of
from snowmelt.status import SnapshotStatus


class Outcomes:
    """Of one dataset. Written by whoever publishes, one at a time; read by any."""

    def __init__(self, dataset: str, clockwork: Clockwork) -> None:
        self.status = SnapshotStatus(enabled=True)
        self._clockwork = clockwork
        self._log = logger(dataset=dataset)

    @property
    def is_held(self) -> bool:
        """True if the last try was held back."""
        return bool(self.status.held_because)

    def took_over(self, generation: int, current: str | None) -> None:
        """The generation in the pointer is ours."""
        self.status = replace(self.status, problem=None)
        self._log.info("producer_took_over", generation=generation, current=current)

    def succeeded(self, report: PublishReport) -> None:
        """A snapshot is there."""
        self.status = replace(
            self.status,
            last_id=report.snapshot_id,
            last_success_at=self._clockwork.time(),
            last_new_bytes=report.new_bytes,
            last_stored_bytes=report.stored_bytes,
            last_duration_seconds=report.duration_seconds,
            published_total=self.status.published_total + 1,
            held_because=(),
            held_reasons=(),
            problem=None,
        )
        self._log.info("snapshot_published", **asdict(report))

    def failed(self, error: Exception) -> None:
        """It did not come to a snapshot, and that was not meant."""
        problem = problem_of(error, self._clockwork.time())
        failed_total = self.status.failed_total + 1
        self.status = replace(self.status, failed_total=failed_total, problem=problem)
        self._log.error("snapshot_failed", message=problem.message, hint=problem.hint)

    def held(self, error: SnapshotError) -> None:
        """It was meant that nothing is published; said once for each reason."""
        told = self.status.held_because
        # The gate's sentences have hours and shares in them, which change by themselves.
        is_news = not told or self.status.held_reasons != error.reasons
        is_news = is_news or (isinstance(error, Held) and told != (str(error),))
        self.status = replace(
            self.status,
            skipped_total=self.status.skipped_total + 1,
            held_because=(str(error),),
            held_reasons=error.reasons,
        )
        if is_news:
            facts = {"reasons": error.reasons, "message": str(error), "hint": error.hint}
            self._log.warning("snapshot_held", **facts)

    def bug(self, error: Exception) -> None:
        """An error that nobody foresaw."""
        self.failed(error)
        self._log.error("snapshot_bug", exc_info=error)
