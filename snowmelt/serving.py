"""The file that answers queries now: which one, how many rows, and how it stands.

Standing is judged each time somebody asks, and readiness is latched from one judgement to the next
for as long as the dataset's life is not begun anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cdc.accelerator import Accelerator
from cdc.capture_status import CaptureStatus
from cdc.checkpoint import Checkpoint
from snowmelt.refreshes import due_at
from snowmelt.report import RowCounter
from snowmelt.staleness import Standing, judge, judge_refreshed

_NOTHING = Standing(ready=False, stale=False)


class Serving:
    """One dataset's served file.

    `opened_at`: what it held when it was opened. `was_caught_up`: by the capture that built it.
    `is_switching`: it is closed for a moment, because a newer one takes its place.
    """

    def __init__(self) -> None:
        self.accelerator: Accelerator | None = None
        self.opened_at: Checkpoint | None = None
        self.was_caught_up = False
        self.is_switching = False
        self._standing = _NOTHING
        self._rows = RowCounter()

    @contextlib.contextmanager
    def of(self, accelerator: Accelerator) -> Iterator[None]:
        """Serve this file until the block ends."""
        self.opened_at = accelerator.checkpoint()
        self.accelerator = accelerator
        self.is_switching = False
        try:
            yield
        finally:
            self.accelerator = None

    def stop(self) -> None:
        """Forget file and readiness."""
        self.accelerator = None
        self.is_switching = False
        self.was_caught_up = False
        self._standing = _NOTHING

    def rows(self) -> int | None:
        """Rows of the served file; None without one."""
        return self._rows.of(self.accelerator)

    def judge_refreshed(self, interval_seconds: float, now: float) -> Standing:
        """How a file stands that is replaced by a newer one at each interval."""
        served = self.opened_at
        is_there = self.accelerator is not None or self.is_switching
        return judge_refreshed(
            file_is_complete=is_there and served is not None and served.scan.ended_at is not None,
            is_due=served is not None and now > due_at(served, interval_seconds),
        )

    def judge(
        self,
        capture: CaptureStatus | None,
        checkpoint: Checkpoint | None,
        *,
        is_old_by_policy: bool,
        now: float,
    ) -> Standing:
        """How it stands now."""
        is_open = self.accelerator is not None  # it is not, for a moment, while files are switched
        is_complete = checkpoint is not None and checkpoint.scan.ended_at is not None
        since = capture.away_since if capture else None
        self._standing = judge(
            caught_up=is_open and bool(capture and capture.ready),
            was_ready=is_open and (self._standing.ready or self.was_caught_up),
            file_is_complete=is_open and is_complete,
            is_old_by_policy=is_old_by_policy,
            lag_ms=capture.lag_ms if capture else None,
            upstream_away_seconds=None if since is None else now - since,
        )
        return self._standing
