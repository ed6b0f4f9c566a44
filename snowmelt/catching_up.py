"""Runs a capture until it has caught up once, for files that are built and then switched to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from cdc.capture_status import CaptureStatus

_WATCH_SECONDS = 0.05


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
