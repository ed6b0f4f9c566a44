"""From a row back to the exact item, and the forms in which items are compared.

The row law (see cdc.columns): the inverse of every filled cell, overridden by `_rest`. It is
spelled out once, here, for every engine: cells come as an engine gives them.

Two items are equal if their canonical forms are: numbers in one spelling at every depth, sets in
order, binary as base64 text (the wire's form). Digests are of that form.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import blake3
import msgspec

from cdc.columns import Columns, Kind
from cdc.keys import Item, canonical_number
from cdc.nested import typed_from_plain

_REST = msgspec.json.Decoder(dict[str, dict[str, Any]])
_DIGESTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_SUM_BYTES = 32


def rebuild(columns: Columns, cells: Sequence[Any], rest: str | None) -> Item:
    """The item of one row. `cells` as in `columns`, None for NULL; `rest`: typed JSON text or None.

    text str · integer int · decimal Decimal or text · boolean bool or 0/1 · binary bytes · json
    text. Binary is given back as base64 text. Raises ValueError for cells that no decoder wrote.
    """
    item: Item = {
        column.name: _INVERSE[column.kind](cell)
        for column, cell in zip(columns.all, cells, strict=True)
        if cell is not None
    }
    if rest is not None:
        item.update(_REST.decode(rest))
    return item


def _base64_text(value: Any) -> str:
    raw = base64.b64decode(value) if isinstance(value, str) else bytes(value)
    return base64.b64encode(raw).decode()


_INVERSE: dict[Kind, Callable[[Any], dict[str, Any]]] = {
    "text": lambda cell: {"S": cell},
    "integer": lambda cell: {"N": str(cell)},
    "decimal": lambda cell: {"N": canonical_number(str(cell))},
    "boolean": lambda cell: {"BOOL": bool(cell)},
    "binary": lambda cell: {"B": _base64_text(cell)},
    "json": typed_from_plain,
}


def canonical_item(item: Item) -> Item:
    """The one form of an item. Takes wire JSON and what boto3's clients return (bytes, sets)."""
    return {name: _canonical(typed) for name, typed in item.items()}


def _canonical(typed: dict[str, Any]) -> dict[str, Any]:
    ((tag, value),) = typed.items()
    form = _CANONICAL.get(tag)
    return typed if form is None else {tag: form(value)}


_CANONICAL: dict[str, Callable[[Any], Any]] = {
    "N": lambda value: canonical_number(str(value)),
    "B": _base64_text,
    "M": lambda value: {name: _canonical(member) for name, member in value.items()},
    "L": lambda value: [_canonical(member) for member in value],
    "SS": sorted,
    "NS": lambda value: sorted(canonical_number(str(member)) for member in value),
    "BS": lambda value: sorted(_base64_text(member) for member in value),
}


def item_digest(item: Item) -> bytes:
    """32 bytes: BLAKE3 of the canonical item as compact JSON with sorted names, in ASCII."""
    return blake3.blake3(_DIGESTED.encode(canonical_item(item)).encode()).digest()


class ItemSetDigest:
    """A digest of many items that does not depend on their order: count and sum of digests.

    The sum is modulo 2^256, so two equal items do not cancel out as they would with XOR.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, item: Item) -> None:
        self.count += 1
        self._sum = (self._sum + int.from_bytes(item_digest(item))) % (1 << 8 * _SUM_BYTES)

    def add_all(self, items: Iterable[Item]) -> None:
        for item in items:
            self.add(item)

    def hexdigest(self) -> str:
        """64 hex digits, over count and sum."""
        state = self.count.to_bytes(8) + self._sum.to_bytes(_SUM_BYTES)
        return blake3.blake3(state).hexdigest()
