"""The typed columns of a dataset: which attribute lives where, and when a column is added.

The row law: a typed cell is filled only if its inverse gives back the attribute; everything else
goes, as typed DynamoDB JSON, into the column `_rest`. So a column is a convenience that can never
lose data, and its type is never changed while applying.

    item(row) = inverse of every filled cell, then overridden by `_rest`

A NULL cell means: the attribute is absent, or it stands in `_rest`. Names that are empty, too
long, reserved, of the service's replication, or equal to an earlier column's but for case get no
column. Columns are bounded by a
budget: those of the key first, then by frequency; the rest of the attributes live in `_rest`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

COLUMN_BUDGET = 200
RESERVED = frozenset({"_h", "_rest", "_dead", "rowid"})
# What global tables of version 1 (2017.11.29) write into each item, by a second write.
REPLICATION = "aws:rep:"
_NAME_LIMIT = 255

# text: S · integer: N that fits 64 bits · decimal: N with a fraction, kept exactly · boolean: BOOL
# · binary: B · json: M and L, and S, N and BOOL among them, as plain JSON; sets for people only.
Kind = Literal["text", "integer", "decimal", "boolean", "binary", "json"]


@dataclass(frozen=True, slots=True)
class Column:
    """One typed column, named like its attribute. `scale` is of a decimal column."""

    name: str
    kind: Kind
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a dataset, in the order in which they were added."""

    all: tuple[Column, ...] = ()

    def __iter__(self) -> Any:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.all)

    def get(self, name: str) -> Column | None:
        """The column with exactly this name."""
        return next((column for column in self.all if column.name == name), None)

    def added(self, columns: Iterable[Column]) -> Columns:
        """These columns and further ones behind them."""
        return Columns((*self.all, *columns))

    def since(self, earlier: Columns) -> tuple[Column, ...]:
        """The columns that `earlier` does not have."""
        return self.all[len(earlier.all) :]

    def encode(self) -> str:
        """JSON text for the file and the manifest."""
        rows = [[column.name, column.kind, column.scale] for column in self.all]
        return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)

    @staticmethod
    def decode(text: str) -> Columns:
        """The columns that `encode` wrote."""
        return Columns(tuple(Column(name, kind, scale) for name, kind, scale in json.loads(text)))


@dataclass(frozen=True, slots=True)
class AttributeFacts:
    """What a batch shows of one attribute that has no column yet."""

    count: int
    tags: frozenset[str]
    integers_only: bool = True
    scale: int = 0


def kind_of(facts: AttributeFacts) -> tuple[Kind, int]:
    """The column type that holds most of the attribute's values; others will go to `_rest`."""
    tags = facts.tags - {"NULL"}
    if tags == {"S"}:
        return "text", 0
    if tags == {"N"}:
        return ("integer", 0) if facts.integers_only else ("decimal", _roomy_scale(facts.scale))
    if tags == {"BOOL"}:
        return "boolean", 0
    if tags == {"B"}:
        return "binary", 0
    if tags and tags <= {"M", "L", "SS", "NS", "BS"}:
        return "json", 0
    return "text", 0


def _roomy_scale(scale: int) -> int:
    # A column's scale cannot grow later, so it is rounded up to the next of a few sizes.
    return next((room for room in (2, 6, 12, 18) if scale <= room), 18)


def promote(
    columns: Columns,
    unseen: Mapping[str, AttributeFacts],
    *,
    first: Sequence[str] = (),
    budget: int = COLUMN_BUDGET,
) -> Columns:
    """The columns after a batch that showed attributes without one: `first`, then the frequent."""
    taken = {folded(name) for name in columns.names}
    ranks = {name: rank for rank, name in enumerate(first)}

    def order(name: str) -> tuple[int, int, str]:
        return ranks.get(name, len(ranks)), -unseen[name].count, name

    new: list[Column] = []
    for name in sorted(unseen, key=order):
        facts = unseen[name]
        if len(columns) + len(new) >= budget:
            break
        if folded(name) in taken or not is_nameable(name) or facts.tags <= {"NULL"}:
            continue
        taken.add(folded(name))
        new.append(Column(name, *kind_of(facts)))
    return columns.added(new)


def folded(name: str) -> str:
    """The name as engines compare it; two columns never share one."""
    return name.casefold()


def is_nameable(name: str) -> bool:
    """True if an attribute of this name may have a column."""
    if folded(name) in RESERVED or name.startswith(REPLICATION):
        return False
    return 0 < len(name) <= _NAME_LIMIT and name.isprintable()
