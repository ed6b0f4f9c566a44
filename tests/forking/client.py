"""Processes of the command that are forked instead of loaded, with what tests use of `Popen`."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.servers.process import FOREIGN_VARIABLES

ROOT = Path(__file__).parents[2]
_POLL_SECONDS = 0.005


class Zygote:
    """The process that forks; `module` is what it runs."""

    def __init__(self, module: str = "tests.forking.server") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k not in FOREIGN_VARIABLES},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._asking = threading.Lock()
        self._answer()

    def run(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        output: Path,
        errors: Path,
        **more: Any,
    ) -> Forked:
        """A new process that runs a verb; `more` is for the module."""
        order = {"run": [*words], "cwd": str(cwd), "environment": dict(environment)}
        answer = self.ask(**order, output=str(output), errors=str(errors), **more)
        return Forked(self, int(answer["pid"]))

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        with self._asking:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def close(self) -> None:
        """End it, and whatever it forked."""
        with self._process:  # which closes its input
            pass

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@dataclass
class Forked:
    """A process of the zygote's."""

    zygote: Zygote
    pid: int
    returncode: int | None = None
    _polling: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def poll(self) -> int | None:
        with self._polling:  # the end of a process is told once; asked again, the zygote would fail
            if self.returncode is None:
                self.returncode = self.zygote.ask(ended=self.pid)["status"]
            return self.returncode

    def wait(self, timeout: float) -> int:
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(["snowmelt"], timeout)
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, sig: int) -> None:
        os.kill(self.pid, sig)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)


@cache
def zygote() -> Zygote:
    """One for all tests of this process."""
    made = Zygote()
    atexit.register(made.close)
    return made
