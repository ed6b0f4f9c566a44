"""Progress of long work on stderr: a bar on a terminal, else lines now and then, or nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from snowmelt.durations import format_duration

Mode = Literal["auto", "plain", "json", "none"]
Report = Callable[[int, int], None]

_PLAIN_INTERVAL_SECONDS = 2.0


@contextmanager
def progress(label: str, mode: Mode = "auto", *, unit: str = "bytes") -> Iterator[Report]:
    """Yields `report(done, total)`; may be called from several threads, as often as one likes."""
    if mode == "auto":
        mode = "plain"
        if sys.stderr.isatty():
            with _bar(label, unit) as report:
                yield report
            return
    if mode == "none":
        yield lambda _done, _total: None
        return
    yield _lines(label, mode, unit)


def tell(lines: Sequence[str], document: Mapping[str, Any], mode: Mode) -> None:
    """What is said once before the work: lines for people, or one JSON line."""
    if mode != "none":
        _write(*([json.dumps(document)] if mode == "json" else lines))


def _write(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def _lines(label: str, mode: Mode, unit: str) -> Report:
    # Short work stays silent in a pipe: the first line comes after the interval.
    last = began = time.monotonic()
    first: int | None = None  # what an earlier run had done says nothing about the rate of this one

    def report(done: int, total: int) -> None:
        nonlocal last, first
        now = time.monotonic()
        first = done if first is None else first
        if now - last < _PLAIN_INTERVAL_SECONDS:
            return
        last = now
        rate = (done - first) / (now - began)
        left = (total - done) / rate if rate > 0 and total > done else None
        if mode == "json":
            counts = {"progress": label, "done": done, "total": total, "unit": unit}
            _write(json.dumps({**counts, "per_second": round(rate, 1), "eta_seconds": left}))
            return
        share = f" {100 * done // total} %" if total else ""
        eta = "" if left is None else f", {format_duration(left)} left"
        _write(f"{label}:{share} {done}/{total} {unit}, {_amount(rate, unit)}/s{eta}")

    return report


def _amount(count: float, unit: str) -> str:
    return format_bytes(count) if unit == "bytes" else f"{count:,.0f} {unit}"


@contextmanager
def _bar(label: str, unit: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    amount = "{task.fields[amount]}"
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn(amount),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task(label, total=None, amount="")

        def report(done: int, total: int) -> None:
            speed = bars.tasks[task].speed
            rate = "" if speed is None else f", {_amount(speed, unit)}/s"
            shown = _amount(done, unit) + rate
            bars.update(task, completed=done, total=total or None, amount=shown)

        yield report


def format_bytes(count: float) -> str:
    """`812 B`, `4.2 MiB`, `1.3 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
