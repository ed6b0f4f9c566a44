"""Snowmelt's capture as a `Consumer`: into memory on virtual time, into a file on real time.

On virtual time every commit is audited against the stream itself (`tests.simulators.audit`): no
record lost or doubled, no child before its parent, no position that goes back.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from cdc.aws import AwsParams, ServiceClock
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings, CaptureStatus
from cdc.dynamodb import DynamoDbSource
from cdc.engines import open_accelerator
from cdc.errors import LineageChanged, PositionLost, StreamDisabled, TableNotFound
from tests.conformance.consumer import (
    AnotherSource,
    Consumer,
    Gap,
    Health,
    Life,
    NoStream,
    Place,
    TypedItems,
    Wishes,
)
from tests.simulators.world import World


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PositionLost as error:
        raise Gap(str(error)) from error
    except LineageChanged as error:
        raise AnotherSource(str(error)) from error
    except (StreamDisabled, TableNotFound) as error:
        raise NoStream(str(error)) from error


def _settings(wishes: Wishes) -> CaptureSettings:
    settings = CaptureSettings()
    if wishes.poll_seconds is not None:
        settings = replace(settings, poll_interval_seconds=wishes.poll_seconds)
    if wishes.ready_lag_seconds is not None:
        settings = replace(settings, ready_lag_ms=int(wishes.ready_lag_seconds * 1000))
    if wishes.scan_units_per_second is not None:
        settings = replace(settings, scan_max_rcu=wishes.scan_units_per_second, scan_segments=1)
    return settings


def _health(status: CaptureStatus, *, is_alive: bool) -> Health:
    return Health(
        ready=status.ready and is_alive,
        lag_seconds=None if status.lag_ms is None else status.lag_ms / 1000,
        problem=status.degraded,
        readable_until=status.resumable_until,
    )


class _OnVirtualTime:
    def __init__(self, place: Place) -> None:
        assert place.simulated is not None
        self._place = place
        self._world = World(table=place.simulated)
        self._is_alive = False

    def live(self, life: Life) -> None:
        world, place = self._world, self._place
        world.settings, world.seed = _settings(life.wishes), life.wishes.seed
        if life.wishes.call_seconds is not None:
            world.call_seconds = life.wishes.call_seconds
        if place.over_http:  # a new process has new connections
            ahead = life.wishes.clock_ahead_seconds or 0.0
            clock = ServiceClock(local=lambda: world.clock.now + ahead)
            world.source = DynamoDbSource(place.table_name, _params(place), clock)
        self._is_alive = True
        try:
            with _told():
                world.live(life.stop)
        finally:
            self._is_alive = False

    def health(self) -> Health:
        return _health(self._world.capture.status(), is_alive=self._is_alive)

    def items(self) -> TypedItems:
        return [item for page in self._world.file.items() for item in page]

    def columns(self) -> set[str]:
        return set(self._world.memory.columns().names)

    def check(self) -> None:
        assert self._world.audit.missing() == []


class _OnRealTime:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._path = place.folder / "routes.sqlite"
        self._capture: Capture | None = None
        self._shown: TypedItems = []
        self._lock = threading.Lock()

    def live(self, life: Life) -> None:
        source = DynamoDbSource(self._place.table_name, _params(self._place))
        with _told():
            keys = None if self._path.exists() else source.describe().keys
            file = open_accelerator("sqlite", self._path, "routes", keys=keys, create=True)
            # An emulator has no limit of calls, and minutes of its clock may pass in a second.
            settings = replace(_settings(life.wishes), shard_calls_per_second=50.0)
            capture = Capture(source, file, settings=settings, generation=1, stop=life.stop)
            with self._lock:
                self._file, self._capture = file, capture
            try:
                capture.run()
            finally:
                with self._lock:
                    self._shown = self._read()
                    self._capture = None
                    file.close()

    def health(self) -> Health:
        capture = self._capture
        return Health() if capture is None else _health(capture.status(), is_alive=True)

    def items(self) -> TypedItems:
        with self._lock:
            return self._shown if self._capture is None else self._read()

    def columns(self) -> set[str]:
        return {name for item in self.items() for name in item}

    def check(self) -> None:
        """The audit is that of virtual time."""

    def _read(self) -> TypedItems:
        return [item for page in self._file.items() for item in page]


def _params(place: Place) -> AwsParams:
    return AwsParams(
        region=place.region,
        auth="key",
        access_key_id=place.access_key,
        secret_access_key=place.secret_key,
        endpoint_url=place.endpoint_url,
    )


def SnowmeltConsumer(place: Place) -> Consumer:  # noqa: N802 - named like what it makes
    """On the clock of the place."""
    return _OnRealTime(place) if place.clock is None else _OnVirtualTime(place)
