"""Runs a capture until it has caught up once, for files that are built and then switched to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from cdc.accelerator import Accelerator
from cdc.capture_status import CaptureStatus
from cdc.checkpoint import Lineage
from cdc.errors import LineageChanged, PositionLost
from snowmelt import files
from snowmelt.capturing import Capturing
from snowmelt.errors import RefreshRefused
from snowmelt.wiring import DatasetPlan

_WATCH_SECONDS = 0.05


def built(
    plan: DatasetPlan,
    run: Callable[[Accelerator], None],
    capturing: Capturing,
    *,
    check: Callable[[Accelerator], None] = lambda _file: None,
) -> Lineage | None:
    """Load the dataset into its second file; the lineage of that, None if it was stopped before.

    `run` is `capturing`'s, and what goes on beside it; `check` raises if what came of it must not
    be served. A file that cannot go on is removed, a finished one is closed and one file.
    """
    side = files.side_path(plan)
    try:
        with files.opened(plan, side) as accelerator:
            with stopped_when_ready(capturing.status, capturing.ending):
                run(accelerator)
            finished, reached = accelerator.checkpoint(), capturing.status()
            if not (finished and reached and reached.ready):
                return None
            check(accelerator)
    except (PositionLost, LineageChanged, RefreshRefused):
        files.remove(plan)
        raise
    files.fold_log(plan)
    return finished.lineage


@contextlib.contextmanager
def stopped_when_ready(
    status: Callable[[], CaptureStatus | None],
    capture_stop: threading.Event,
    *,
    node_stop: threading.Event | None = None,
    watch: Callable[[CaptureStatus], None] | None = None,
) -> Iterator[None]:
    """Within this context `capture_stop` is set once the capture is ready or the node stops."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_WATCH_SECONDS):
            now = status()
            if now is not None and watch is not None:
                watch(now)
            if (now is not None and now.ready) or (node_stop is not None and node_stop.is_set()):
                capture_stop.set()
                return

    watcher = threading.Thread(target=look, name="until-ready", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
