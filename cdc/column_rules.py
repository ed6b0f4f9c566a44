"""What the configuration says about columns: which are declared, which attributes are left out.

A declared column exists from the first commit on and never changes its type. An excluded attribute
reaches neither a column nor `_rest` nor the quarantine, so an item is rebuilt without it; which
ones they are is part of the checkpoint, because rows loaded under another list cannot be told
apart. Attributes that get a column first are the key's, then `preferred`, then the frequent ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cdc.columns import COLUMN_BUDGET, Column, Columns, Kind, folded, is_nameable
from cdc.errors import ColumnsRefused
from cdc.keys import KeySchema, KeyType

MOST_COLUMNS = 1_000  # SQLite holds 2,000; decoding is ten times slower with this many
TYPES = "text, integer, decimal(SCALE), boolean, binary or json"
TYPE_PATTERN = r"^(text|integer|boolean|binary|json|decimal\((0|[1-9]|[12][0-9]|30)\))$"
_TYPE = re.compile(TYPE_PATTERN)
_FITTING: dict[KeyType, tuple[Kind, ...]] = {
    "S": ("text",),
    "N": ("integer", "decimal"),
    "B": ("binary",),
}


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """`budget` bounds all columns; those that are declared count."""

    declared: tuple[Column, ...] = ()
    excluded: frozenset[str] = frozenset()
    preferred: tuple[str, ...] = ()
    budget: int = COLUMN_BUDGET

    def beginning(self, held: Columns) -> Columns:
        """The file's columns, and the declared ones that it lacks. Raises ColumnsRefused."""
        names = {folded(column.name): column for column in held}
        for column in self.declared:
            other = names.get(folded(column.name))
            if other is not None and other != column:
                raise ColumnsRefused(
                    f"column {column.name} is declared {type_of(column)}, but the file holds "
                    f"{other.name} as {type_of(other)}"
                )
        return held.added(column for column in self.declared if folded(column.name) not in names)

    def check_keys(self, keys: KeySchema) -> None:
        """Raise ColumnsRefused if an attribute of the key is excluded or of another type."""
        declared = {column.name: column for column in self.declared}
        for key in keys.attributes:
            if key.name in self.excluded:
                raise ColumnsRefused(
                    f"attribute {key.name} is excluded, but it is part of the table's key",
                    hint="take it out of columns.exclude",
                )
            column = declared.get(key.name)
            if column is not None and column.kind not in _FITTING[key.type]:
                raise ColumnsRefused(
                    f"column {key.name} is declared {type_of(column)}, but the table's key "
                    f"has it as {key.type}",
                    hint=f"declare it {' or '.join(_FITTING[key.type])}, or not at all",
                )

    def check_excluded(self, loaded_without: tuple[str, ...]) -> None:
        """Raise ColumnsRefused if the file was loaded under another list of exclusions."""
        differing = sorted(self.excluded.symmetric_difference(loaded_without))
        if differing:
            name = differing[0]
            stored = "is excluded, but the file was loaded with it"
            missing = "is not excluded, but the file was loaded without it"
            raise ColumnsRefused(
                f"attribute {name} {stored if name in self.excluded else missing}",
            )


def parse_type(name: str, text: str) -> Column:
    """The column of a name and a type such as `decimal(4)`. Raises ValueError."""
    if _TYPE.fullmatch(text) is None:
        raise ValueError(f"is not a column type; use {TYPES}")
    kind, _, scale = text.rstrip(")").partition("(")
    return Column(name, kind, int(scale or 0))  # type: ignore[arg-type]  # one of those, by the pattern


def type_of(column: Column) -> str:
    """The type as people write it."""
    return f"decimal({column.scale})" if column.kind == "decimal" else column.kind


def problem_with(declared: Mapping[str, Column], excluded: tuple[str, ...], budget: int) -> str:
    """Why these do not go together, or an empty text."""
    taken: dict[str, str] = {}
    for name in declared:
        if not is_nameable(name):
            return f"declare: {name!r} cannot name a column; leave it out, it is kept in _rest"
        if folded(name) in taken:
            return (
                f"declare: {taken[folded(name)]!r} and {name!r} differ only by case; "
                "declare one, the other is kept in _rest"
            )
        if name in excluded:
            return f"{name!r} is declared and excluded; choose one"
        taken[folded(name)] = name
    if len(declared) > budget:
        return f"budget: {budget} columns are fewer than the {len(declared)} declared ones"
    return ""
