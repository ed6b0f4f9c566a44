"""Polls of idle shards: `python -m benchmarks.polling`.

What one GetRecords costs that brings nothing, by Snowmelt's own signing and by botocore's client;
and what a capture of a thousand open, idle shards takes of a core, with the shipped settings.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.kit.command import Asked, Prepared, main
from benchmarks.kit.compare import MEMORY, Comparison, Metric, Role, Side

_SHARDS = 1_000
_SECONDS, _QUICK_SECONDS = 5.0, 0.5
_IDLE_SECONDS, _QUICK_IDLE_SECONDS = 20.0, 2.0
_METRICS = (
    Metric("cpu_us_per_call", "CPU µs/call", digits=0),
    Metric("calls_per_second", "calls/s", "higher", 0),
    Metric("cpu_share", "share of a core", None, 2),
    MEMORY,
)
_ROOT = Path(__file__).parents[1]


def prepare(asked: Asked) -> Prepared:
    """Start a stream of idle shards."""
    shards = asked.size or _SHARDS
    params = {
        "endpoint": asked.ends.enter_context(_serving(shards)),
        "seconds": _QUICK_SECONDS if asked.quick else _SECONDS,
        "idle_seconds": _QUICK_IDLE_SECONDS if asked.quick else _IDLE_SECONDS,
        "scratch": str(asked.scratch),
        "shards": shards,
    }
    sides = []
    ways: tuple[tuple[str, Role], ...] = (("snowmelt", "snowmelt"), ("botocore", "competent"))
    for name, role in ways:
        target = "benchmarks.sides.polling_ways:polls"
        sides.append(Side(name, role, target, {**params, "way": name}, "nothing"))
    return Prepared({"shards": shards}, [Comparison("polls", tuple(sides), _METRICS)])


@contextlib.contextmanager
def _serving(shards: int) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.soak.server", str(shards), "0", "86400", "0"]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port, _ = json.loads(process.stdout.readline())
        yield f"http://127.0.0.1:{port}"
        process.stdin.close()


if __name__ == "__main__":
    main("polling", prepare, rounds=3, quick_rounds=1)
