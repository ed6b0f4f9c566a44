"""Where reading stands in one shard, as a value that prints, parses and compares.

    FROM_START(skip_before)   the shard's oldest record; those created before it are skipped
    AT s                      the record s itself is the next one (inclusive)
    AFTER s                   the record behind s is the next one (exclusive)
    END                       every record was read; only children remain

Sequence numbers are digit strings of varying length (21 to 40 digits, leading zeros occur). The
text is kept as the service gave it, because calls need it verbatim; order is that of the integers,
within one shard only. Source: DynamoDB Streams API reference, StreamRecord.SequenceNumber.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FromStart:
    """The oldest record of the shard. `skip_before`: service time in epoch seconds, or None."""

    skip_before: float | None = None


@dataclass(frozen=True, slots=True)
class At:
    """The record with this sequence number is the next to be read."""

    sequence: str


@dataclass(frozen=True, slots=True)
class After:
    """The record with this sequence number was the last to be read."""

    sequence: str


@dataclass(frozen=True, slots=True)
class End:
    """The shard is closed and was read to its end."""


Position = FromStart | At | After | End


def sequence_order(sequence: str) -> int:
    """The integer by which sequence numbers of one shard are ordered."""
    return int(sequence)


def progress_order(position: Position) -> tuple[int, int, int]:
    """A key that grows as reading of one shard advances; AT s lies just before AFTER s."""
    match position:
        case FromStart():
            return (0, 0, 0)
        case At(sequence):
            return (1, sequence_order(sequence), 0)
        case After(sequence):
            return (1, sequence_order(sequence), 1)
        case End():
            return (2, 0, 0)


def to_json(position: Position) -> dict[str, Any]:
    """A JSON-ready form; `from_json` is its inverse."""
    match position:
        case FromStart(skip_before):
            return {"kind": "from_start", "skip_before": skip_before}
        case At(sequence):
            return {"kind": "at", "sequence": sequence}
        case After(sequence):
            return {"kind": "after", "sequence": sequence}
        case End():
            return {"kind": "end"}


def from_json(data: dict[str, Any]) -> Position:
    """The position that `to_json` wrote. Raises ValueError for an unknown kind."""
    match data.get("kind"):
        case "from_start":
            skip = data.get("skip_before")
            return FromStart(None if skip is None else float(skip))
        case "at":
            return At(str(data["sequence"]))
        case "after":
            return After(str(data["sequence"]))
        case "end":
            return End()
        case unknown:
            raise ValueError(f"unknown position kind {unknown!r}")
