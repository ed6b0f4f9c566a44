"""Sides run in processes of their own, so that memory and CPU time are theirs alone.

`run` starts this module as a program; it calls `module:function` with parameters from a file and
leaves the result in another. Output of a side goes to stderr: stdout belongs to the report.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_ROOT = Path(__file__).parents[2]


class SideFailed(Exception):
    """A side ended with an error; its own output says why."""


@dataclass(slots=True)
class Span:
    """What a measured block took. CPU time covers this process and programs that it ran."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_rss_mib: float = 0.0

    def metrics(self, **more: float) -> dict[str, float]:
        """The numbers as a side returns them, with further ones."""
        return {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_rss_mib": self.peak_rss_mib,
            **more,
        }

    def rates(self, records: int) -> dict[str, float]:
        """The numbers of a side that may have had fewer records than the others."""
        return {
            "records_per_second": records / self.seconds,
            "cpu_us_per_record": self.cpu_seconds * 1e6 / records,
            "peak_rss_mib": self.peak_rss_mib,
        }


@contextmanager
def measured() -> Iterator[Span]:
    """Fill the span when the block ends. Peak memory is that of the block where Linux allows."""
    span = Span()
    with suppress(OSError):
        _CLEAR_REFS.write_text(_RESET_PEAK)
    cpu, started = _cpu_seconds(), time.perf_counter()
    yield span
    span.seconds = time.perf_counter() - started
    span.cpu_seconds = _cpu_seconds() - cpu
    span.peak_rss_mib = _peak_rss_mib()


def preload(*modules: str) -> None:
    """Load what the measured block will import."""
    for module in modules:
        importlib.import_module(module)


def run(target: str, params: dict[str, Any], python: str = sys.executable) -> dict[str, Any]:
    """The result of `module:function(params)` in a new process. Raises SideFailed."""
    with tempfile.TemporaryDirectory() as directory:
        asked, answered = Path(directory) / "params.json", Path(directory) / "result.json"
        asked.write_text(json.dumps(params))
        command = [python, "-m", __name__, target, str(asked), str(answered)]
        status = subprocess.run(command, cwd=_ROOT, stdout=sys.stderr, check=False).returncode
        if status or not answered.exists():
            raise SideFailed(f"{target} ended with status {status}")
        result: dict[str, Any] = json.loads(answered.read_text())
    return result


def rss_mib() -> float:
    """Resident memory of this process now; 0 where Linux does not tell."""
    with suppress(OSError):
        lines = _STATUS.read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024
    return 0.0


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_rss_mib() -> float:
    """The larger of this process and the programs that it waited for.

    ru_maxrss of this process would not do: Linux lets it begin at the size of who started it.
    """
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    with suppress(OSError):
        lines = _STATUS.read_text().splitlines()
        own = next(line for line in lines if line.startswith("VmHWM:"))
        return max(children, int(own.split()[1]) / 1024)
    return max(children, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def _main(target: str, asked: str, answered: str) -> None:
    module, _, name = target.partition(":")
    function: Callable[[dict[str, Any]], Any] = getattr(importlib.import_module(module), name)
    result = function(json.loads(Path(asked).read_text()))
    Path(answered).write_text(json.dumps(result))


if __name__ == "__main__":
    _main(*sys.argv[1:])
