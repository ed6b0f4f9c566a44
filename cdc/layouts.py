"""The layout of an image: what stands before each closing brace, where items are written alike.

Items of a table are alike, mostly, and their images list the same attributes in the same order.
Then cutting an image at its closing braces gives as many pieces as any other has, and each piece is
a constant prefix with one value behind it:

    {"id":{"S":"a"},"n":{"N":"1"}}   ->   {"id":{"S":"   a"   |   ,"n":{"N":"   1"   |   |

If every piece has its prefix, and no value holds a quote or a backslash, the image cannot be read
in any other way. Lists have a layout, too, if they are equally long. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cdc.columns import Columns
from cdc.decode_sql import TAGS
from cdc.keys import KeySchema

# Each piece costs a few calls a batch and a few nanoseconds a row.
_MOST_SLOTS = 96
_SAMPLE = 32
# What cannot stand in a name: it would be escaped, or taken for the end of a piece.
_UNUSUAL = frozenset('"\\}').union(map(chr, range(32)))


@dataclass(frozen=True, slots=True)
class Slot:
    """A piece: the prefix, and behind it a value of this tag (S, N or BOOL; "" for none).

    `name`: of an attribute that is no nested value, how the prefix begins for any type.
    """

    prefix: bytes
    tag: str = ""
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class Nested:
    """A nested value: the plain form is `pieces` with the texts of `slots` between."""

    slots: tuple[int, ...]
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The pieces of an image, and by name which of them makes up an attribute."""

    slots: tuple[Slot, ...]
    attributes: tuple[tuple[str, int | Nested], ...]


def common_layout(texts: Sequence[bytes | msgspec.Raw], columns: Columns) -> Layout | None:
    """The layout that nearly all of these images have, if there is one. `texts`: JSON objects.

    None, too, where an attribute has no column, or one of a kind that this way does not decode.
    """
    sample = texts[:: max(1, len(texts) // _SAMPLE)][:_SAMPLE]
    kinds = {column.name: column.kind for column in columns}
    counts = Counter(_layout(msgspec.json.decode(text), kinds) for text in sample)
    for layout, count in counts.most_common(1):
        return layout if 4 * count >= 3 * len(sample) else None
    return None


def key_layout(text: bytes | msgspec.Raw, keys: KeySchema) -> Layout | None:
    """The layout of a key in JSON."""
    kinds = {attribute.name: _KEY_KINDS[attribute.type] for attribute in keys.attributes}
    return _layout(msgspec.json.decode(text), kinds)


_KEY_KINDS = {"S": "text", "N": "decimal", "B": ""}
# A binary value would have to be decoded.
_HELD = ("text", "integer", "decimal", "boolean")
_SINGLE = ("S", "N", "B", "BOOL", "NULL")


def _layout(image: Any, kinds: dict[str, Any]) -> Layout | None:
    try:
        drawn = _Drawing()
        attributes = tuple(drawn.attributes(image, kinds))
    except _IrregularError:
        return None
    if len(drawn.slots) > _MOST_SLOTS:
        return None
    return Layout(tuple(drawn.slots), attributes)


class _IrregularError(Exception):
    """An image that prefixes and values do not describe."""


class _Drawing:
    """Pieces, as an image's text would be cut into them."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self._text = ""

    def attributes(self, image: Any, kinds: dict[str, Any]) -> Any:
        if not isinstance(image, dict) or not image:
            raise _IrregularError
        for number, (name, typed) in enumerate(image.items()):
            self._text += "{,"[number > 0] + _quoted(name) + ":"
            kind = kinds.get(name)
            if kind == "json":
                yield name, self._nested(typed)
            elif kind in _HELD and _tag(typed) in _SINGLE:
                yield name, self._leaf(TAGS[kind], (self._text + "{").encode())
            else:
                raise _IrregularError
        self._close()
        self._close()  # what stands behind the last brace: nothing

    def _close(self, tag: str = "", name: bytes = b"") -> int:
        self.slots.append(Slot(self._text.encode(), tag, name))
        self._text = ""
        return len(self.slots) - 1

    def _leaf(self, tag: str, name: bytes = b"") -> int:
        self._text += f'{{"{tag}":' + ("" if tag == "BOOL" else '"')
        return self._close(tag, name)

    def _nested(self, typed: Any) -> Nested:
        pieces, slots = [""], list[int]()
        self._plain(typed, pieces, slots)
        return Nested(tuple(slots), tuple(pieces))

    def _plain(self, typed: Any, pieces: list[str], slots: list[int]) -> None:
        match _tag(typed):
            case "S" | "N" | "BOOL" as tag:
                quote = '"' if tag == "S" else ""
                pieces[-1] += quote
                pieces.append(quote)
                slots.append(self._leaf(tag))
            case "NULL":
                self._text += '{"NULL":true'
                self._close()
                pieces[-1] += "null"
            case "M":
                self._members(typed["M"], pieces, slots)
            case "L":
                self._entries(typed["L"], pieces, slots)
            case _:
                raise _IrregularError

    def _members(self, members: dict[str, Any], pieces: list[str], slots: list[int]) -> None:
        self._text += '{"M":{'
        pieces[-1] += "{"
        for number, (name, member) in enumerate(members.items()):
            named = ","[: number > 0] + _quoted(name) + ":"
            self._text += named
            pieces[-1] += named
            self._plain(member, pieces, slots)
        self._close()
        self._close()
        pieces[-1] += "}"

    def _entries(self, entries: list[Any], pieces: list[str], slots: list[int]) -> None:
        self._text += '{"L":['
        pieces[-1] += "["
        for number, entry in enumerate(entries):
            self._text += ","[: number > 0]
            pieces[-1] += ","[: number > 0]
            self._plain(entry, pieces, slots)
        self._text += "]"
        self._close()
        pieces[-1] += "]"


def _quoted(name: str) -> str:
    if not _UNUSUAL.isdisjoint(name):
        raise _IrregularError
    return f'"{name}"'


_TYPES = {"S": str, "N": str, "B": str, "BOOL": bool, "NULL": bool, "M": dict, "L": list}


def _tag(typed: Any) -> str:
    """The tag of a typed value as the service writes it, else ""."""
    if not isinstance(typed, dict) or len(typed) != 1:
        return ""
    ((tag, value),) = typed.items()
    is_known = isinstance(value, _TYPES.get(tag, ())) and (tag != "NULL" or value)
    return tag if is_known else ""
