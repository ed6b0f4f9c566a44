"""The tick that asks whether a snapshot is due: a `schedule.Scheduler` in a thread of its own.

`schedule` keeps appointments by the wall clock; the waiting here is monotonic, and an appointment
that a clock set back moved into the future is made anew. The job runs in the ticking thread, so a
tick during a long publish is skipped, not queued; `run_now` from another thread is refused then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import schedule


class Ticker:
    """Calls `job` every so many seconds until stopped. `on_error` gets what the job raised."""

    def __init__(
        self,
        job: Callable[[], None],
        *,
        every_seconds: int = 1,
        on_error: Callable[[Exception], None],
        name: str = "snapshots",
    ) -> None:
        self._job = job
        self._every_seconds = every_seconds
        self._on_error = on_error
        self._running = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._tick, name=name, daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self, timeout_seconds: float | None = None) -> bool:
        """End after the job that runs, if any; True if it ended within the time."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def run_now(self) -> bool:
        """Run the job in this thread; False if it is running already."""
        if not self._running.acquire(blocking=False):
            return False
        try:
            self._job()
        except Exception as error:  # noqa: BLE001 - the job's owner decides; the tick goes on
            self._on_error(error)
        finally:
            self._running.release()
        return True

    def _tick(self) -> None:
        scheduler = schedule.Scheduler()
        scheduler.every(self._every_seconds).seconds.do(self.run_now)
        while not self._stopping.is_set():
            scheduler.run_pending()
            idle = scheduler.idle_seconds
            if idle is None or idle > self._every_seconds:
                scheduler.clear()
                scheduler.every(self._every_seconds).seconds.do(self.run_now)
                idle = float(self._every_seconds)
            self._stopping.wait(max(0.0, idle))
