"""Logs: one JSON object a line on stderr, or coloured lines where stderr is a terminal.

Fields: ts, level, event (a stable slug, listed in docs/operating.md) and what the event is about.
Secrets never reach a log call; messages come from our own errors.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, TextIO, cast

import structlog

Log = structlog.typing.FilteringBoundLogger


class _Stderr:
    """The process's stderr as it is now. A reader that went away must not end the node."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(*, level: str = "info", json_lines: bool | None = None) -> None:
    """Set up logging once per process. `json_lines` None: unless stderr is a terminal."""
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=True,
    )


def logger(**fields: Any) -> Log:
    """A logger that adds these fields to every line."""
    log: Log = structlog.get_logger().bind(**fields)
    return log
