"""The text of an item, of which its digest is made, as SQL over typed cells. Pure.

The grammar is that of `cdc.rebuild`. Attributes stand in the order of names, so a row's text is one
concatenation over its columns; cells that an engine cannot spell (nested values, and what a dialect
leaves out) are holes in it, filled in here. A row with `_rest` is not read by this at all: what
stands there overrides cells, so such rows are rebuilt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdc.columns import Column, Columns, Kind
from cdc.rebuild import attribute_text, digest_number, typed_cell

# From the attribute's name as it begins its piece, an SQL literal, and the column: NULL for NULL.
Dialect = Mapping[Kind, Callable[[str, str, Column], str]]


@dataclass(frozen=True, slots=True)
class Texts:
    """`pieces`: SQL expressions around the holes, one more than those; each gives a text."""

    pieces: tuple[str, ...]
    holes: tuple[Column, ...]

    def digest(self, cells: Sequence[Any]) -> int:
        """Of the row whose pieces (bytes) and holes (cells) are taken in turn."""
        text = b"".join(self._filled(at, cell) if at % 2 else cell for at, cell in enumerate(cells))
        return digest_number(hashlib.md5(text, usedforsecurity=False).digest())

    def _filled(self, at: int, cell: Any) -> bytes:
        if cell is None:
            return b""
        column = self.holes[at // 2]
        return attribute_text(column.name, typed_cell(column.kind, cell))


def texts(
    columns: Columns,
    dialect: Dialect,
    *,
    quoted: Callable[[str], str],
    joined: Callable[[Iterable[str]], str],
) -> Texts:
    """How rows of these columns are told. `joined`: the concatenation of expressions; no NULL."""
    runs: list[list[str]] = [[]]
    holes: list[Column] = []
    for column in sorted(columns, key=lambda column: column.name):
        spelled = dialect.get(column.kind)
        if spelled is None:
            holes.append(column)
            runs.append([])
            continue
        name = f"{len(column.name.encode())}:{column.name}".replace("'", "''")
        runs[-1].append(f"coalesce({spelled(name, quoted(column.name), column)}, '')")
    return Texts(tuple(joined(run) if run else "''" for run in runs), tuple(holes))
