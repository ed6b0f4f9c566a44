"""Durations as people write them: `250ms`, `2s`, `2m`, `18h`, `7d`. In code they are seconds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_SHAPE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: Any) -> float:
    """Seconds. Raises ValueError with what is allowed."""
    if isinstance(text, str):
        match = _SHAPE.fullmatch(text.strip())
        if match:
            return float(match[1]) * _SECONDS[match[2]]
    raise ValueError("is not a duration; write e.g. 250ms, 2s, 2m, 18h")


def format_exact(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back as the same duration."""
    for unit in ("d", "h", "m", "s"):
        count = seconds / _SECONDS[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{seconds * 1000:.10g}ms"


def format_duration(seconds: float) -> str:
    """A short form for people: `850ms`, `4.2s`, `4m 12s`, `18h 5m`, `3d 2h`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    for size, unit, next_size, next_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // next_size}{next_unit}"
    return f"{whole}s"


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_SHAPE.pattern}$", "examples": ["2m"]}),
]
