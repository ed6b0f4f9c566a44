"""Nodes that are forked with gates, and die at the one that they are told."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.crash.effects import passed
from tests.e2e.nodes import PATIENCE_SECONDS, Node, environment_of
from tests.forking.client import Forked, Zygote


@dataclass
class MortalNode(Node):
    """A node that passes gates; `trace` has those of all its processes, in order."""

    zygote: Zygote = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.trace = self.home / "trace"

    def start(self, at: str = "", countdown: int = 1) -> "MortalNode":
        self.write_config()
        self._process = self._forked(["run"], at, countdown)
        return self

    def end_of(self, *words: str, at: str = "", countdown: int = 1) -> int:
        """Run another verb to its end; its exit code, -9 if it died."""
        self.write_config()
        process = self._forked(list(words), at, countdown)
        return process.wait(PATIENCE_SECONDS)

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
        return self.zygote.run(
            words,
            cwd=self.home,
            environment=environment_of({**self.environment, "SNOWMELT_CONFIG": str(self.config)}),
            output=self.log,
            errors=self.log,
            trace=str(self.trace),
            at=at,
            countdown=countdown,
        )
