"""Progress of long work on stderr: a bar on a terminal, else lines now and then, or nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

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


def _lines(label: str, mode: Mode, unit: str) -> Report:
    # Short work stays silent in a pipe: the first line comes after the interval.
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _PLAIN_INTERVAL_SECONDS:
            return
        last = now
        if mode == "json":
            line = json.dumps({"progress": label, "done": done, "total": total, "unit": unit})
        else:
            share = f" {100 * done // total} %" if total else ""
            line = f"{label}:{share} {done}/{total} {unit}"
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    return report


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
            shown = format_bytes(done) if unit == "bytes" else f"{done:,} {unit}"
            bars.update(task, completed=done, total=total or None, amount=shown)

        yield report


def format_bytes(count: float) -> str:
    """`812 B`, `4.2 MiB`, `1.3 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
