"""The lease for a verb that publishes once: waited for while its holder may be dead."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from snapshotter.errors import SnapshotError
from snowmelt.clockwork import Clockwork
from snowmelt.leasing import Leasing
from snowmelt.wiring import DatasetPlan

_LOOK_SECONDS = 0.5


@contextlib.contextmanager
def leased(plan: DatasetPlan, clockwork: Clockwork | None = None) -> Iterator[Leasing]:
    """Hold the lease in this block, renewed by a thread.

    Raises Fenced if its holder turns out to live, and the store's errors.
    """
    clockwork = clockwork or Clockwork()
    leasing = Leasing(plan, clockwork, lambda: None)
    _take(leasing, clockwork)
    ticker = clockwork.ticker(leasing.renew, lambda _error: None)
    ticker.start()
    try:
        yield leasing
    finally:
        ticker.stop()
        with contextlib.suppress(SnapshotError):
            leasing.release()


def _take(leasing: Leasing, clockwork: Clockwork) -> None:
    is_ours, first = leasing.look(), leasing.seen
    never = threading.Event()
    while not is_ours:
        clockwork.wait(never, _LOOK_SECONDS)
        is_ours = leasing.look()
        if leasing.seen != first:
            leasing.check_ours()
