"""From a row back to the exact item, and the forms in which items are compared.

The row law (see cdc.columns): the inverse of every filled cell, overridden by `_rest`. It is
spelled out once, here, for every engine: cells come as an engine gives them.

Two items are equal if their canonical forms are: numbers in one spelling at every depth, sets in
order, binary as base64 text (the wire's form).

The digest of an item is the md5 of one text, which says nothing of columns or `_rest` and which an
engine's SQL can make from typed cells:

    item   :=  for each attribute in the order of names: string value
    string :=  length in UTF-8 bytes, ":", the bytes
    value  :=  "S" string | "N" canonical number ";" | "B" string of base64 | "T" | "F" | "0" (NULL)
             | "M" members ":" (string value)* in the order of names | "L" entries ":" value*
             | "s", "n" or "b" (a set) members ":" string* in order

md5 is used for its width and because engines have it: digests find differences, not forgers.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from cdc.columns import Columns, Kind
from cdc.keys import Item, canonical_number
from cdc.nested import typed_from_plain

_REST = msgspec.json.Decoder(dict[str, dict[str, Any]])


def rebuild(columns: Columns, cells: Sequence[Any], rest: str | None) -> Item:
    """The item of one row. `cells` as in `columns`, None for NULL; `rest`: typed JSON text or None.

    text str · integer int · decimal Decimal or text · boolean bool or 0/1 · binary bytes · json
    text. Binary is given back as base64 text. Raises ValueError for cells that no decoder wrote.
    """
    item: Item = {
        column.name: typed_cell(column.kind, cell)
        for column, cell in zip(columns.all, cells, strict=True)
        if cell is not None
    }
    if rest is not None:
        item.update(_REST.decode(rest))
    return item


def typed_cell(kind: Kind, cell: Any) -> dict[str, Any]:
    """The attribute that a filled cell of this kind holds."""
    return _INVERSE[kind](cell)


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
    """16 bytes, equal for equal items in whatever form they come. Raises ValueError."""
    return hashlib.md5(_attributes(item), usedforsecurity=False).digest()


def digest_number(digest: bytes) -> int:
    """A digest as it is added up: little-endian."""
    return int.from_bytes(digest, "little")


def _attributes(members: dict[str, dict[str, Any]]) -> bytes:
    return b"".join(attribute_text(name, members[name]) for name in sorted(members))


def attribute_text(name: str, typed: dict[str, Any]) -> bytes:
    """What an attribute adds to the text of its item."""
    return _string(name) + _text(typed)


def _text(typed: dict[str, Any]) -> bytes:
    ((tag, value),) = typed.items()
    if tag not in _TEXT:
        raise ValueError(f"no attribute type: {tag[:20]!r}")
    return _TEXT[tag](value)


def _string(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(encoded), encoded)


def _set(letter: bytes, members: Iterable[str]) -> bytes:
    strings = [_string(member) for member in sorted(members)]
    return b"%b%d:%b" % (letter, len(strings), b"".join(strings))


_TEXT: dict[str, Callable[[Any], bytes]] = {
    "S": lambda value: b"S" + _string(value),
    "N": lambda value: b"N%b;" % canonical_number(str(value)).encode(),
    "B": lambda value: b"B" + _string(_base64_text(value)),
    "BOOL": lambda value: b"T" if value else b"F",
    "NULL": lambda _: b"0",
    "M": lambda value: b"M%d:%b" % (len(value), _attributes(value)),
    "L": lambda value: b"L%d:%b" % (len(value), b"".join(map(_text, value))),
    "SS": lambda value: _set(b"s", value),
    "NS": lambda value: _set(b"n", (canonical_number(str(member)) for member in value)),
    "BS": lambda value: _set(b"b", map(_base64_text, value)),
}


class ItemSetDigest:
    """A digest of many items that does not depend on their order: the sum of their digests.

    The sum is modulo 2^128, so two equal items do not cancel out as they would with XOR; and a
    change is applied by subtracting the item before and adding the one after. `count` is beside it.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, item: Item) -> None:
        self.count += 1
        self._sum += digest_number(item_digest(item))

    def add_all(self, items: Iterable[Item]) -> None:
        for item in items:
            self.add(item)

    def add_sum(self, count: int, total: int) -> None:
        """Items whose digests were summed up elsewhere."""
        self.count += count
        self._sum += total

    def hexdigest(self) -> str:
        """32 hex digits."""
        return f"{self._sum % 2**128:032x}"
