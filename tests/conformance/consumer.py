"""The seam: what a consumer of a stream has to offer to be played against the stories.

Another consumer is put in place of Snowmelt's with `--consumer package.module:Name`: a callable
that takes a `Place` and gives a `Consumer`. Everything is judged from outside: by what the service
was asked for, by the items that a reader of the consumer would see, and by what it says of itself.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from tests.simulators.clock import VirtualClock
from tests.simulators.stream import SimulatedTable

OURS = "tests.conformance.snowmelt_consumer:SnowmeltConsumer"
TypedItems = list[dict[str, Any]]


class Gap(Exception):
    """Records can be missing between the consumer's position and what the service still holds."""


class AnotherSource(Exception):
    """The table or its stream is not the one that was followed until now."""


class NoStream(Exception):
    """The table has no enabled stream, or is gone."""


@dataclass(frozen=True)
class Wishes:
    """What a story asks of a consumer's settings; None, or one that it does not have, is ignored.

    `seed`: let calls under way end in any order. `clock_ahead_seconds`: of the consumer's machine.
    """

    poll_seconds: float | None = None
    scan_units_per_second: float | None = None
    ready_lag_seconds: float | None = None
    call_seconds: float | None = None
    clock_ahead_seconds: float | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Place:
    """Where a consumer lives: one table, one empty folder that outlives its processes.

    `clock`: the service's time is virtual; None where it is real. `simulated`: the table itself,
    for checks that are the consumer's own; `over_http` False says that it may be read in memory.
    """

    endpoint_url: str
    region: str
    access_key: str
    secret_key: str
    table_name: str
    folder: Path
    clock: VirtualClock | None = None
    simulated: SimulatedTable | None = None
    over_http: bool = True


@dataclass(frozen=True)
class Life:
    """One process, from its start until `stop` is set.

    On virtual time nothing may wait by itself: `pause` instead of sleeping, and once each poll.
    """

    stop: threading.Event
    clock: VirtualClock | None
    wishes: Wishes

    def pause(self, seconds: float) -> None:
        if self.clock is None:
            self.stop.wait(seconds)
        else:
            self.clock.advance(seconds)


@dataclass(frozen=True)
class Health:
    """What a consumer says of itself. None: it does not know, which is never a comforting zero.

    `ready`: caught up in this process. `lag_seconds`: age of the oldest change that may be missing.
    `problem`: what a person should know. `readable_until`: service time until which the oldest
    unread position can be read.
    """

    ready: bool = False
    lag_seconds: float | None = None
    problem: str | None = None
    readable_until: float | None = None


class Consumer(Protocol):
    """One consumer with what it has stored; its processes come and go."""

    def live(self, life: Life) -> None:
        """Begin, or resume from what is stored, and follow until `life.stop` is set.

        A `BaseException` that comes out of a pause or a call is a kill -9: nothing catches it.
        Raises Gap, AnotherSource and NoStream; each leaves what is shown as it was.
        """

    def health(self) -> Health:
        """Now, also from another thread; a process that is not alive is not ready."""

    def items(self) -> TypedItems:
        """What a reader would see now, as DynamoDB JSON."""

    def columns(self) -> set[str]:
        """Names of the attributes that a reader is shown as columns."""

    def check(self) -> None:
        """Whatever else the consumer can prove; raises AssertionError."""


def maker_of(name: str) -> Callable[[Place], Consumer]:
    """The callable that `--consumer` names."""
    module, _, attribute = name.partition(":")
    return cast("Callable[[Place], Consumer]", getattr(import_module(module), attribute))
