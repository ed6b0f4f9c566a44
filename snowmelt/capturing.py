"""The captures of one dataset: into one file after the other, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cdc.accelerator import Accelerator
from cdc.capture import Capture
from cdc.capture_status import CaptureStatus
from snowmelt.clockwork import Clockwork
from snowmelt.memory import keep_large_pieces
from snowmelt.wiring import DatasetPlan

Generation = Callable[[], int] | int


class Capturing:
    """`run` by the dataset's thread, the rest by any. `works`: called after each commit."""

    def __init__(
        self,
        plan: DatasetPlan,
        clockwork: Clockwork,
        node_stop: threading.Event,
        works: Callable[[], None],
    ) -> None:
        self._plan = plan
        self._clockwork = clockwork
        self._node_stop = node_stop
        self._works = works
        self._capture: Capture | None = None
        self.ending = threading.Event()

    def run(self, accelerator: Accelerator, generation: Generation) -> None:
        """Capture into a file until `ending` is set."""
        self.ending.clear()
        if self._node_stop.is_set():
            return
        keep_large_pieces()
        settings = self._plan.capture_settings
        self._capture = Capture(
            self._plan.source,
            accelerator,
            settings=settings,
            generation=generation,
            stop=self.ending,
            on_commit=lambda _checkpoint: self._works(),
            workers=self._clockwork.workers(settings),
        )
        self._capture.run()

    def status(self) -> CaptureStatus | None:
        """Where the capture stands that runs or was the last."""
        capture = self._capture
        return capture.status() if capture else None

    def forget(self) -> None:
        """A new life begins."""
        self._capture = None
