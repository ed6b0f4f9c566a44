"""A simulated table, a file, and a process that captures, lives for a while and comes back."""

import threading
from collections.abc import Callable
from itertools import count
from typing import cast

from cdc.accelerator import Accelerator
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import Checkpoint
from cdc.source import Source
from tests.simulators.audit import Audit
from tests.simulators.clock import CALL_SECONDS, InlineWorkers, VirtualClock
from tests.simulators.memory import MemoryAccelerator, as_text
from tests.simulators.stream import SimulatedTable


class World:
    """One table, one file, and capture that can be run for a while, again and again."""

    def __init__(
        self,
        *,
        shards: int = 1,
        settings: CaptureSettings | None = None,
        file: Accelerator | None = None,
        seed: int | None = None,
        view_type: str = "NEW_IMAGE",
        table: SimulatedTable | None = None,
    ) -> None:
        self.clock = VirtualClock()
        if table is not None:
            assert isinstance(table.clock, VirtualClock)
            self.clock = table.clock
        self.seed = seed
        self.call_seconds = CALL_SECONDS
        self.generation = 7
        self.table = table or SimulatedTable(self.clock, shards=shards, view_type=view_type)
        self.source: Source = self.table
        self.audit = Audit(self.table)
        self.memory = MemoryAccelerator(audit=self.audit)
        self.file = file or cast("Accelerator", self.memory)
        self.settings = settings or CaptureSettings()
        self.commits: list[Checkpoint] = []
        self.capture = self._capture(threading.Event())

    def run(self, seconds: float = 10.0) -> Capture:
        """A process that lives so long; the pending batch is committed at its end."""
        stop = threading.Event()
        self.capture = self._capture(stop)
        self.clock.after(seconds, stop.set)
        self.capture.run()
        return self.capture

    def live(self, stop: threading.Event) -> None:
        """A process that lives until somebody sets `stop`."""
        self.capture = self._capture(stop)
        self.capture.run()

    def run_until(self, done: Callable[[], bool], most_seconds: float = 120.0) -> float:
        """A process that lives until something is so; the virtual seconds that it took."""
        stop = threading.Event()
        self.capture = self._capture(stop)
        began = self.clock.now

        def look() -> bool:
            if done() or self.clock.now - began > most_seconds:
                stop.set()
            return not stop.is_set()

        self.clock.every(0.01, look)
        self.capture.run()
        assert done(), f"not so after {most_seconds} s: {self.capture.status()}"
        return self.clock.now - began

    def fill(self, rows: int) -> None:
        for number in range(rows):
            self.table.put(f"key-{number}", value=number)

    def write_for(self, seconds: float, *, each: float = 0.1) -> None:
        """Puts, overwrites, deletes and writes that change nothing, beside what else happens."""
        numbers = count()

        def write() -> None:
            number = next(numbers)
            self.table.put(f"key-{number * 7 % 40}", value=number)
            self.table.put("still", value="the same")
            if number % 5 == 0:
                self.table.delete(f"key-{number * 3 % 40}", ttl=number % 2 == 0)

        self.clock.every(each, write, until=seconds)

    def rows_scanned(self) -> int:
        return self.commits[-1].scan.rows if self.commits else 0

    def calls(self, operation: str) -> int:
        return sum(call[0] == operation for call in self.table.calls)

    def assert_equal(self) -> None:
        stored = [item for page in self.file.items() for item in page]
        assert as_text(stored) == as_text(list(self.table.items.values()))

    def assert_whole(self) -> None:
        """The file is the table, and every record was committed (that it was once, is audited)."""
        assert self.audit.missing() == []
        self.assert_equal()

    def _capture(self, stop: threading.Event) -> Capture:
        return Capture(
            self.source,
            self.file,
            settings=self.settings,
            generation=lambda: self.generation,
            stop=stop,
            workers=InlineWorkers(self.clock, self.seed, self.call_seconds),
            on_commit=self.commits.append,
        )
