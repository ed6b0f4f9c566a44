"""A clockwork on the virtual clock: a node's life of thirty hours takes seconds.

The node's own thread moves the clock, as fast as it can, up to the instant that the test asked for;
there it is held, so that the test sees the node as it is at that instant and may ask it anything.
"""

import threading
from collections.abc import Callable

from cdc.capture_status import CaptureSettings
from cdc.polling import Fetched
from snapshotter.scheduler import Ticker
from snowmelt.clockwork import Clockwork
from tests.simulators.clock import InlineWorkers, VirtualClock

# A tick each second would be most of the work of thirty hours.
TICK_SECONDS = 15.0
PATIENCE_SECONDS = 300.0  # of real time, for hours of a node on a busy machine


class Timeline(Clockwork):
    """The clockwork of one node; several may share the clock, one of them moving at a time."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._is_held = threading.Event()
        self._go_on = threading.Event()

    # ------------------------------------------------------------ for the test

    def begin(self, start: Callable[[], None]) -> None:
        """Let a life begin, and hold it before any time passes."""
        self._hold_after(0.0)
        start()
        self._await_hold()

    def pass_time(self, seconds: float) -> None:
        """Let the held node live so long, and hold it again."""
        self._hold_after(seconds)
        self._go_on.set()
        self._await_hold()

    def release(self) -> None:
        """Let the held node go on to its end, which has to be under way."""
        self._go_on.set()

    def _hold_after(self, seconds: float) -> None:
        self._is_held.clear()
        self.clock.after(seconds, self._hold)

    def _hold(self) -> None:
        self._is_held.set()
        assert self._go_on.wait(2 * PATIENCE_SECONDS), "held, and forgotten by the test"
        self._go_on.clear()

    def _await_hold(self) -> None:
        assert self._is_held.wait(PATIENCE_SECONDS), "the node does not let time pass"

    # ------------------------------------------------------------ for the node

    def time(self) -> float:
        return self.clock.now

    def monotonic(self) -> float:
        return self.clock.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        until = self.clock.now + seconds
        while not event.is_set() and self.clock.now < until:
            self.clock.pass_time(until - self.clock.now)
        return event.is_set()

    def ticker(self, job: Callable[[], None], on_error: Callable[[Exception], None]) -> Ticker:
        return VirtualTicker(self.clock, job, on_error)

    def workers(self, settings: CaptureSettings) -> InlineWorkers:
        return PatientWorkers(self.clock)


class PatientWorkers(InlineWorkers):
    """Waits long for the next call, but lets the loop look at once at what the last one brought.

    The loop shows where it stands a moment after a result at the earliest, and threads wake it up
    often; without that it would look only when the next poll is due, and see a lag of a poll.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self._is_fresh = False

    def results(self, timeout_seconds: float, most: int) -> list[Fetched]:
        taken = super().results(
            min(timeout_seconds, 0.1) if self._is_fresh else timeout_seconds, most
        )
        self._is_fresh = bool(taken)
        return taken


class VirtualTicker(Ticker):
    """Ticks while somebody moves the clock."""

    def __init__(
        self, clock: VirtualClock, job: Callable[[], None], on_error: Callable[[Exception], None]
    ) -> None:
        super().__init__(job, on_error=on_error)
        self._clock = clock
        self._has_ended = False

    def start(self) -> None:
        self._clock.every(TICK_SECONDS, self._tick_once)

    def stop(self, timeout_seconds: float | None = None) -> bool:
        self._has_ended = True
        return True

    def _tick_once(self) -> bool:
        if not self._has_ended:
            self.run_now()
        return not self._has_ended
