"""The manual's table of ages (`docs/operating.md`): what a node does with an old checkpoint.

Tests read what they want from here, so that the manual is what is proven, not a copy of it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from restorer.facts import NearExpired, ShardNotFound

_MANUAL = Path(__file__).parents[2] / "docs" / "operating.md"
_HEADER = "| age of the checkpoint "
BEHAVIORS: tuple[ShardNotFound, ...] = ("error", "ready_before_load", "ready_after_load")


@dataclass(frozen=True)
class AgeRow:
    """One row: an age with a rule for near-expired files, and a word for each behaviour."""

    hours: int
    near_expired: tuple[NearExpired, ...]
    of_behavior: dict[ShardNotFound, str]
    of_edge: str


def age_rows() -> list[AgeRow]:
    """The rows that begin with an age."""
    rows = [row for row in _rows() if re.match(r"\d", row[0])]
    return [_age_row(*row) for row in rows]


def of_a_refused_position() -> dict[ShardNotFound, str]:
    """What a running node does once the stream refuses its position."""
    (row,) = (row for row in _rows() if row[0].startswith("any"))
    return dict(zip(BEHAVIORS, row[1:4], strict=True))


def wanted(hours: int, near_expired: NearExpired = "recover") -> dict[ShardNotFound, str]:
    """The words of one row."""
    (row,) = (row for row in age_rows() if row.hours == hours and near_expired in row.near_expired)
    return row.of_behavior


def _rows() -> list[list[str]]:
    lines = iter(_MANUAL.read_text().splitlines())
    header = next(line for line in lines if line.startswith(_HEADER))
    assert [cell.strip("`") for cell in _cells(header)[1:4]] == list(BEHAVIORS)
    next(lines)  # the line of dashes
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(_cells(line))
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _age_row(label: str, *words: str) -> AgeRow:
    hours = int(label.split(" h", maxsplit=1)[0])
    both: tuple[NearExpired, ...] = ("recover", "try_resume")
    rules = tuple(rule for rule in both if f"`near_expired: {rule}`" in label) or both
    return AgeRow(hours, rules, dict(zip(BEHAVIORS, words[:3], strict=True)), words[3])
