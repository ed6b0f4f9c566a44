"""One check of the preflight as a value, and how an error becomes one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cdc.errors import CdcError, Degraded
from restorer.errors import RestoreError
from snapshotter.errors import SnapshotError

# What nobody could tell from here is neither good nor bad.
Verdict = Literal["ok", "warning", "failed", "not known"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what, how it stands and where, and what to do (`hint`, empty if nothing).

    `exit_code`: of one that failed. `data`: figures of the detail, for programs.
    """

    check: str
    verdict: Verdict
    detail: str
    hint: str = ""
    exit_code: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "check": self.check,
            "verdict": self.verdict,
            "detail": self.detail,
            "hint": self.hint,
            "exit_code": self.exit_code,
            **({"data": dict(self.data)} if self.data else {}),
        }

    @property
    def line(self) -> str:
        """The check as a person reads it."""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.verdict:<9}  {self.check}: {self.detail}{hint}"


def failed(check: str, error: CdcError | SnapshotError | RestoreError) -> Finding:
    """A check that an error of ours ended."""
    # A degraded error in a preflight is as final as any other: nobody is going to wait for it.
    code = 9 if isinstance(error, Degraded) else error.exit_code
    return Finding(check, "failed", one_line(error), error.hint, code)


def not_known(check: str, why: str, hint: str = "") -> Finding:
    """What could not be told from here."""
    return Finding(check, "not known", why, hint)


def one_line(error: Exception) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split())[:500]
