"""Errors of the node itself, and the one way in which every error of ours reaches a person.

Each package has its own tree with `exit_code` and `hint` on every leaf; the command prints
`snowmelt: error: <what and where>; <what to do>` and ends with the leaf's exit code. Anything else
is a bug: it keeps its traceback and ends with 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cdc.errors import CdcError, Permanent
from restorer.errors import RestoreError
from snapshotter.errors import SnapshotError


class NodeError(Exception):
    """Base of the node's own errors; raise a leaf."""

    exit_code: ClassVar[int] = 1
    hint: str = "report this as a bug"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class UsageError(NodeError):
    """The command line asks for something impossible."""

    exit_code = 2
    hint = "see `snowmelt --help`"


class ConfigError(NodeError):
    """The configuration is wrong; `problems` holds one line each, with the path in the file."""

    exit_code = 2
    hint = ""

    def __init__(self, source: str, problems: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__(f"{source}: {problems[0]}", hint=hint)
        self.source = source
        self.problems = tuple(problems)


class NodeUnreachable(NodeError):
    """No running node answers at the configured address."""

    exit_code = 8
    hint = "start it with `snowmelt run`, or pass the address that it listens on"


class WaitTimedOut(NodeError):
    """What was waited for did not happen in time."""

    exit_code = 13
    hint = "wait longer, or look at the writer's status"


class RefreshRefused(Permanent):
    """What was read from the table may not take the place of what is served."""

    hint = "what is served stays; look at the table, and set allow_empty if it may be empty"


Explained = (CdcError, SnapshotError, RestoreError, NodeError)


def explain(error: Exception) -> list[str]:
    """The lines for stderr: one, or one for each problem of a configuration."""
    hint = str(getattr(error, "hint", ""))
    texts = [" ".join(str(error).split())]
    if isinstance(error, ConfigError):
        texts = [f"{error.source}: {problem}" for problem in error.problems]
    return [f"snowmelt: error: {text.rstrip('.')}{'; ' if hint else ''}{hint}" for text in texts]
