"""The shape of nested values: which members most values of a column have, as which types.

Values of one attribute are alike, mostly. Where they are maps with the same members, plain values
at any depth, the engine can pull each member by its path, together with all other attributes, and
put the plain form together from constant pieces. Values of another shape are not recognised, and
take the way that holds for all. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

# Each member is looked for in every value; with many of them reading the value whole is faster.
_MOST_LEAVES = 24
_SAMPLE = 32
# What the typed form of a value has around it, and the plain form has not.
_TYPED_EXTRA = {"S": len('{"S":}'), "N": len('{"N":""}'), "BOOL": len('{"BOOL":}')}
_MAP_EXTRA = len('{"M":}')


@dataclass(frozen=True, slots=True)
class Leaf:
    """A member that is no map: its names from the outside in, and its tag: S, N or BOOL."""

    names: tuple[str, ...]
    tag: str


@dataclass(frozen=True, slots=True)
class Shape:
    """Maps with exactly these leaves. The plain form is `pieces` with the leaves' texts between.

    `extra`: by how many bytes the typed form is longer than the plain one.
    """

    leaves: tuple[Leaf, ...]
    pieces: tuple[str, ...]
    extra: int


def common_shape(texts: Sequence[str]) -> Shape | None:
    """The shape of most of these typed values, if there is one."""
    sample = texts[:: max(1, len(texts) // _SAMPLE)][:_SAMPLE]
    counts = Counter(_shape(msgspec.json.decode(text)) for text in sample)
    for shape, count in counts.most_common(1):
        return shape if 2 * count > len(sample) else None
    return None


def _shape(typed: Any) -> Shape | None:
    try:
        parts = list(_parts(typed, ()))
    except _Irregular:
        return None
    pieces, leaves, extra = [""], list[Leaf](), 0
    for part in parts:
        if isinstance(part, Leaf):
            quote = '"' if part.tag == "S" else ""
            pieces[-1] += quote
            pieces.append(quote)
            leaves.append(part)
            extra += _TYPED_EXTRA[part.tag]
        else:
            pieces[-1] += part
            extra += _MAP_EXTRA * (part == "{")
    is_small = 0 < len(leaves) <= _MOST_LEAVES
    return Shape(tuple(leaves), tuple(pieces), extra) if is_small else None


class _Irregular(Exception):
    """A value that paths to plain members do not describe."""


def _parts(typed: Any, names: tuple[str, ...]) -> Iterator[str | Leaf]:
    """Constant text and leaves of the plain form, in order."""
    match typed:
        case {"M": dict(members)} if members and len(typed) == 1:
            yield "{"
            for number, (name, member) in enumerate(members.items()):
                encoded = msgspec.json.encode(name).decode()
                yield f",{encoded}:" if number else f"{encoded}:"
                yield from _parts(member, (*names, name))
            yield "}"
        case {"S": str()} | {"N": str()} | {"BOOL": bool()} if len(typed) == 1 and names:
            yield Leaf(names, next(iter(typed)))
        case _:
            raise _Irregular
