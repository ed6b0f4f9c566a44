"""What drives a dataset: its time, its waits, the tick of its producer, the workers of its capture.

Everything that takes time in a dataset's life takes it from here, so that one value decides how
time passes; a life of thirty hours can be lived in seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from cdc.capture_status import CaptureSettings
from cdc.polling import ThreadWorkers, Workers
from snapshotter.scheduler import Ticker


class Clockwork:
    """The machine's own clocks and threads."""

    def time(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds of a clock that is never set back."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Rest so long or until the event is set; True if it is."""
        return event.wait(seconds)

    def ticker(self, job: Callable[[], None], on_error: Callable[[Exception], None]) -> Ticker:
        """What calls `job` every second, once it is started."""
        return Ticker(job, on_error=on_error)

    @contextmanager
    def ticking(
        self, jobs: Iterable[Callable[[], None]], on_error: Callable[[Exception], None]
    ) -> Iterator[None]:
        """Call each of the jobs every second, each in a thread of its own, until the end."""
        tickers = [self.ticker(job, on_error) for job in jobs]
        for ticker in tickers:
            ticker.start()
        try:
            yield
        finally:
            for ticker in tickers:
                ticker.stop()

    def workers(self, settings: CaptureSettings) -> Workers:
        """What calls the source for one capture."""
        return ThreadWorkers(settings.stream_threads, settings.scan_threads)
