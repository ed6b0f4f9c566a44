"""The tick: it goes on, it never runs the job twice at a time, it ends when told."""

import datetime as dt
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import schedule

from snapshotter.scheduler import Ticker


def ignore(_: Exception) -> None:
    pass


def test_the_job_is_called_again_and_again() -> None:
    called = threading.Semaphore(0)
    ticker = Ticker(called.release, every_seconds=1, on_error=ignore)
    ticker.start()

    assert called.acquire(timeout=60)
    assert called.acquire(timeout=60)
    assert ticker.stop(60)


def test_an_error_is_handed_over_and_the_tick_goes_on() -> None:
    errors: list[Exception] = []
    ticker = Ticker(lambda: 1 // 0, on_error=errors.append)  # type: ignore[arg-type]

    assert ticker.run_now()
    assert ticker.run_now()
    assert [type(error) for error in errors] == [ZeroDivisionError] * 2


def test_a_job_that_runs_is_not_started_a_second_time() -> None:
    begun, end = threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        end.wait(60)

    ticker = Ticker(job, on_error=ignore)
    running = threading.Thread(target=ticker.run_now)
    running.start()
    begun.wait(60)
    second = ticker.run_now()
    end.set()
    running.join(60)

    assert second is False
    assert ticker.run_now()


def test_a_ticker_that_never_started_stops() -> None:
    assert Ticker(lambda: None, on_error=ignore).stop(1)


def test_a_clock_that_was_set_back_does_not_stop_the_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    called = threading.Semaphore(0)
    back = threading.Event()

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            moved = dt.timedelta(hours=5) if back.is_set() else dt.timedelta()
            return dt.datetime.now(tz) - moved

    module = SimpleNamespace(datetime=Clock, timedelta=dt.timedelta, time=dt.time)
    monkeypatch.setattr(schedule, "datetime", module)
    ticker = Ticker(called.release, every_seconds=1, on_error=ignore)
    ticker.start()
    assert called.acquire(timeout=60)
    back.set()

    assert called.acquire(timeout=60)
    assert called.acquire(timeout=60)
    assert ticker.stop(60)
