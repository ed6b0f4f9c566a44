"""Nodes that are forked with gates, and die at the one that they are told."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.crash.effects import ROOT, passed
from tests.e2e.nodes import Node, environment_of

_POLL = 0.0
_LONG_SECONDS = 60.0


class Zygote:
    """The process that forks."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            cwd=ROOT,
            env=environment_of({"PYTHONPATH": str(ROOT)}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._forked: set[int] = set()
        self._answer()

    def fork(self, **order: Any) -> int:
        """The process id of a new process, which is the caller's to wait for."""
        pid = int(self.ask(**order)["pid"])
        self._forked.add(pid)
        return pid

    def ended(self, pid: int, seconds: float) -> int | None:
        """How a process ended, waited for so long; None if it runs on."""
        code: int | None = self.ask(wait=pid, seconds=seconds)["status"]
        if code is not None:
            self._forked.discard(pid)
        return code

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it, and whatever a test that failed left running."""
        for pid in self._forked:
            if self.ask(wait=pid, seconds=0.0)["status"] is None:
                os.kill(pid, signal.SIGKILL)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@dataclass
class Forked:
    """A process of the zygote's, with what tests use of `subprocess.Popen`."""

    zygote: Zygote
    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        return self._wait(_POLL)

    def wait(self, timeout: float) -> int:
        code = self._wait(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(["snowmelt"], timeout)
        return code

    def send_signal(self, sig: int) -> None:
        os.kill(self.pid, sig)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)

    def _wait(self, seconds: float) -> int | None:
        if self.returncode is None:
            self.returncode = self.zygote.ended(self.pid, seconds)
        return self.returncode


@dataclass
class MortalNode(Node):
    """A node that passes gates; `trace` has those of all its processes, in order."""

    zygote: Zygote = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.trace = self.home / "trace"

    def start(self, at: str = "", countdown: int = 1) -> "MortalNode":
        self.config.write_text(yaml.safe_dump(self.document, sort_keys=False))
        self._process = self._forked(["run"], at, countdown)
        return self

    def end_of(self, *words: str, at: str = "", countdown: int = 1) -> int:
        """Run another verb to its end; its exit code, -9 if it died."""
        self.config.write_text(yaml.safe_dump(self.document, sort_keys=False))
        process = self._forked(list(words), at, countdown)
        return process.wait(_LONG_SECONDS)

    @property
    def is_dead(self) -> bool:
        """True if it was killed at its gate."""
        return self._process is not None and self._process.poll() == -signal.SIGKILL

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def events_of(self, event: str) -> list[Any]:
        """The lines of its log with this event; a killed process may have left half a line."""
        if not self.log.exists():
            return []
        return [line for line in self.log.read_text().splitlines() if f'"event": "{event}"' in line]

    def passed(self) -> Iterator[str]:
        return passed(self.trace)

    def _forked(self, words: list[str], at: str, countdown: int) -> Forked:
        pid = self.zygote.fork(
            run=words,
            home=str(self.home),
            log=str(self.log),
            environment={**self.environment, "SNOWMELT_CONFIG": str(self.config)},
            trace=str(self.trace),
            at=at,
            countdown=countdown,
        )
        return Forked(self.zygote, pid)
