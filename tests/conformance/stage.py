"""Where stories are played: a table with its stream, time, and one consumer.

`Stage` has what every service can do; stories that use no more are played on DynamoDB Local too.
`ScriptedStage` is the simulated service on virtual time, where a story may besides reach for
`table` and `clock` and do what no emulator does.
"""

import contextlib
import tempfile
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.consumer import Consumer, Health, Life, Place, TypedItems, Wishes
from tests.simulators.clock import VirtualClock
from tests.simulators.http_world import pauses_move
from tests.simulators.memory import as_text
from tests.simulators.service import simulated_service
from tests.simulators.shards import REGION
from tests.simulators.stream import Served, SimulatedTable

Step = Callable[[], object]
Maker = Callable[[Place], Consumer]
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 300.0
PATIENCE_POLLS = 20


class Stage(ABC):
    """One table and a consumer of it."""

    consumer: Consumer

    # ------------------------------------------------------------ the table

    @abstractmethod
    def put(self, key: str, **values: object) -> None: ...

    @abstractmethod
    def delete(self, key: str) -> None: ...

    @abstractmethod
    def roll_over(self) -> None:
        """Until every open shard was replaced."""

    @abstractmethod
    def disable(self) -> None: ...

    @abstractmethod
    def enable(self, view_type: str = "NEW_AND_OLD_IMAGES") -> None: ...

    @abstractmethod
    def drop(self) -> None:
        """Delete the table."""

    @abstractmethod
    def recreate(self) -> None:
        """A new table under the same name."""

    @abstractmethod
    def jump(self, hours: float) -> None:
        """So much time passes in the service, and nobody did anything meanwhile."""

    @abstractmethod
    def table_items(self) -> TypedItems: ...

    @abstractmethod
    def scans(self) -> int:
        """Scan calls so far."""

    def fill(self, rows: int) -> None:
        for number in range(rows):
            self.put(f"key-{number}", value=number)

    # ------------------------------------------------------------ the consumer

    @abstractmethod
    def live(self, *steps: Step, within_seconds: float = PATIENCE_SECONDS) -> None:
        """A process: caught up first, then each step, caught up again behind each of them."""

    @abstractmethod
    def live_on(self, seconds: float) -> None:
        """A process that lives on for so long, whatever it shows."""

    def ends_in(self, error: type[Exception], *, seconds: float = 600.0) -> None:
        """A process that ends by itself, with this; what it shows stays as it was."""
        shown = self.shown()
        with pytest.raises(error):
            self.live_on(seconds)
        assert self.shown() == shown, "it went on beyond what it had to stop at"

    def health(self) -> Health:
        return self.consumer.health()

    def shown(self) -> list[str]:
        return as_text(self.consumer.items())

    def shows_all(self) -> bool:
        return self.shown() == as_text(self.table_items())

    def assert_whole(self, scans: int | None = None) -> None:
        """The consumer shows the table; with `scans`, and has not scanned since."""
        assert self.shown() == as_text(self.table_items())
        assert scans is None or self.scans() == scans, "the table was scanned again"
        self.consumer.check()


class Killed(BaseException):
    """The end of a process: nobody catches it."""


class ScriptedStage(Stage):
    """The simulated service on virtual time. `wishes`: of the next process."""

    def __init__(self, place: Place, maker: Maker) -> None:
        assert place.simulated is not None
        assert place.clock is not None
        self.table: SimulatedTable = place.simulated
        self.clock: VirtualClock = place.clock
        self.wishes = Wishes()
        self._place, self._maker = place, maker
        self.consumer = maker(place)

    @classmethod
    @contextlib.contextmanager
    def opened(
        cls, maker: Maker, folder: Path, *, shards: int = 1, over_http: bool = True
    ) -> Iterator["ScriptedStage"]:
        clock = VirtualClock()
        table = SimulatedTable(clock, shards=shards, view_type="NEW_AND_OLD_IMAGES")
        keys = ("simulated", "simulated")
        with contextlib.ExitStack() as stack:
            endpoint_url = ""
            if over_http:
                endpoint_url = stack.enter_context(simulated_service(table))
                stack.enter_context(pauses_move(clock))
            place = Place(endpoint_url, REGION, *keys, table.name, folder, clock, table, over_http)
            yield cls(place, maker)

    # ------------------------------------------------------------ the table

    def put(self, key: str, **values: object) -> None:
        self.table.put(key, **values)

    def delete(self, key: str) -> None:
        self.table.delete(key)

    def roll_over(self) -> None:
        self.table.rollover()

    def disable(self) -> None:
        self.table.disable()

    def enable(self, view_type: str = "NEW_AND_OLD_IMAGES") -> None:
        self.table.view_type = view_type
        self.table.enable()

    def drop(self) -> None:
        self.table.drop()

    def recreate(self) -> None:
        self.table.recreate(first_sequence=10**20)

    def jump(self, hours: float) -> None:
        self.clock.jump(hours * 3600)

    def table_items(self) -> TypedItems:
        return list(self.table.items.values())

    def scans(self) -> int:
        return self.calls("scan")

    # ------------------------------------------------------------ the consumer

    def live(self, *steps: Step, within_seconds: float = PATIENCE_SECONDS) -> None:
        rest, stop = deque(steps), threading.Event()
        within_seconds = max(within_seconds, PATIENCE_POLLS * (self.wishes.poll_seconds or 0.0))
        until, late = self.clock.now + within_seconds, False

        def look() -> bool:
            nonlocal until, late
            if self.health().ready and self.shows_all():
                if not rest:
                    stop.set()
                else:
                    rest.popleft()()
                    until = self.clock.now + within_seconds
            elif self.clock.now > until:
                late = True
                stop.set()
            return not stop.is_set()

        self.clock.every(LOOK_SECONDS, look)
        self._live(stop)
        assert not late, f"not caught up after {within_seconds} s: {self.health()}"

    def live_on(self, seconds: float) -> None:
        stop = threading.Event()
        self.clock.after(seconds, stop.set)
        self._live(stop)

    def live_until_killed(self, most_seconds: float = PATIENCE_SECONDS) -> None:
        """A process that somebody kills (`kill`), as late as it may be."""
        with contextlib.suppress(Killed):
            self.live_on(most_seconds)

    def kill(self) -> None:
        """To be planned: whoever moves the clock on dies."""
        raise Killed

    def another_consumer(self) -> Consumer:
        """A second one of the same table, with storage of its own."""
        folder = Path(tempfile.mkdtemp(dir=self._place.folder))
        return self._maker(Place(**{**vars(self._place), "folder": folder}))

    def _live(self, stop: threading.Event) -> None:
        try:
            self.consumer.live(Life(stop, self.clock, self.wishes))
        finally:
            stop.set()  # what looks after this life has nothing more to look at

    # ------------------------------------------------------------ what was asked for

    def calls(self, operation: str, about: str | None = None) -> int:
        return sum(
            name == operation and about in (None, subject) for name, subject in self.table.calls
        )

    def served(self, action: str) -> list[Served]:
        """Calls over HTTP that were answered."""
        return [call for call in self.table.served if call.action == action and not call.code]

    def refusals(self) -> set[str]:
        """Codes of what was refused over HTTP."""
        return {call.code for call in self.table.served} - {""}

    def most_in_a_second(self, action: str) -> int:
        """Calls over HTTP, answered or refused, in the worst second."""
        times = sorted(call.at for call in self.table.served if call.action == action)
        return max(
            (
                sum(1 for other in times[i : i + 200] if other < at + 1.0)
                for i, at in enumerate(times)
            ),
            default=0,
        )

    def delivered(self) -> list[str]:
        """Sequence numbers that went out over HTTP, in their order."""
        return [number for call in self.served("GetRecords") for number in call.sequences]

    def ask(self, *seconds: float) -> list[tuple[float, Health]]:
        """What it says of itself so long from now, with the times: the list is filled by then."""
        told: list[tuple[float, Health]] = []
        for each in seconds:
            # A loop that waits for nothing on virtual time shows what it knows once it turns.
            self.clock.after(each - 0.2, lambda: None)
            self.clock.after(each, lambda: told.append((self.clock.now, self.health())))
        return told

    def write_for(self, seconds: float, *, each: float = 0.1, keys: int = 40) -> None:
        """Puts, overwrites and deletes beside what else happens."""
        numbers = iter(range(10**9))

        def write() -> None:
            number = next(numbers)
            self.put(f"key-{number * 7 % keys}", value=number)
            if number % 5 == 0:
                self.delete(f"key-{number * 3 % keys}")

        self.clock.every(each, write, until=seconds)

    def set(self, **told: Any) -> Step:
        """A step that tells the table something."""
        return lambda: vars(self.table).update(told)
