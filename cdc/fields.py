"""Images of one layout, cut at their closing braces by Arrow's reader of CSV.

An image is a line, a closing brace ends a field. A row is sound as long as each field has its
prefix (see `cdc.layouts`) and a value behind it that no quote or backslash splits: then all of the
row is accounted for. It relies on images to be JSON objects without control characters, which the
parser of pages does not let through.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from cdc.columns import Column
from cdc.decode_input import Text
from cdc.decode_sql import CANONICAL_NUMBER, PLAIN_NUMBER, decimal_pattern
from cdc.layouts import Layout, Nested

_BLOCK_BYTES = 1024 * 1024
# A value of another type than its column's, as long as nothing is nested in it.
_SINGLE = r'"(?:S|N|B)":"[^"\\{]*"|"BOOL":(?:true|false)|"NULL":true'


@dataclass(frozen=True, slots=True)
class Spared:
    """Values of an attribute that are no cells: their places, and the pieces that they are in."""

    name: str
    places: pa.Array
    pieces: pa.Array


class Fields:
    """The fields of images. Raises ArrowInvalid for what is not UTF-8, or not lines at all.

    In a sound row, each attribute is where it is looked for, and an attribute without a cell is
    none that its column could hold.
    """

    def __init__(self, images: Sequence[Text], layout: Layout) -> None:
        self._slots = layout.slots
        self._attributes = dict(layout.attributes)
        data = b"\n".join(images)
        self._signs = b'"\\' if b"\\" in data else b'"'
        self._fields, self._rows, self._skipped = _cut(data, len(layout.slots), images)
        self._is_sound = pa.repeat(pa.scalar(True), len(self._fields[0]))
        self._spared: dict[int, Spared] = {}
        for field, slot in zip(self._fields, layout.slots, strict=True):
            if not slot.tag:
                self._demand(pc.equal(field, pa.scalar(slot.prefix, pa.binary())))
            elif not slot.name:
                self._demand(pc.starts_with(field, slot.prefix))

    def cells(self, column: Column) -> pa.Array:
        """The cells of a column by place; rows that are not sound have anything there."""
        attribute = self._attributes.get(column.name)
        if attribute is None:
            types = {"integer": pa.int64(), "boolean": pa.bool_(), "binary": pa.binary()}
            return pa.nulls(len(self._fields[0]), types.get(column.kind, pa.string()))
        if isinstance(attribute, Nested):
            return self._nested(attribute)
        if column.kind == "boolean":
            cells, is_exact = self._booleans(attribute)
        else:
            cells, is_exact = self._texts(attribute)
            if column.kind == "integer":
                cells, is_exact = self._integers(cells, is_exact)
            elif column.kind == "decimal":
                is_canonical = _matches(cells, decimal_pattern(column.scale))
                is_canonical = pc.and_(is_canonical, pc.not_equal(cells, "-0"))
                is_exact = pc.and_(is_exact, is_canonical)
        if is_exact.false_count:
            self._spare(column.name, attribute, is_exact)
            cells = pc.if_else(is_exact, cells, None)
        return cells

    def keys(self, name: str) -> pa.Array:
        """The texts of an attribute of the key, by place."""
        attribute = self._attributes[name]
        if isinstance(attribute, Nested):
            raise KeyError(name)
        texts, is_exact = self._texts(attribute)
        self._demand(is_exact)
        if self._slots[attribute].tag == "N" and not _are_plain(texts):
            self._demand(pc.and_(_matches(texts, CANONICAL_NUMBER), pc.not_equal(texts, "-0")))
        return texts

    def sound(self) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Places of sound rows, which images these are, and which are the others.

        To be asked when all cells have been read.
        """
        places = pc.indices_nonzero(self._is_sound)
        others = pc.indices_nonzero(pc.invert(self._is_sound))
        if self._rows is None:
            return places, places, others
        others = pa.concat_arrays([self._rows.take(others), self._skipped])
        return places, self._rows.take(places), others

    def rests(self) -> tuple[dict[int, str], Counter[str]]:
        """What no cell of sound rows holds, by image; and how many values, by attribute.

        NULL markers are not counted. To be asked when all cells have been read.
        """
        found: dict[int, list[str]] = {}
        counts: Counter[str] = Counter()
        for _, spared in sorted(self._spared.items()):
            is_sound = self._is_sound.take(spared.places)
            places, pieces = spared.places.filter(is_sound), spared.pieces.filter(is_sound)
            images = places if self._rows is None else self._rows.take(places)
            for image, piece in zip(images.to_pylist(), pieces.to_pylist(), strict=True):
                found.setdefault(image, []).append(f"{piece.decode()[1:]}}}")
                counts[spared.name] += not piece.endswith(b'{"NULL":true')
        return {image: f"{{{','.join(members)}}}" for image, members in found.items()}, +counts

    def _demand(self, is_sound: pa.Array) -> None:
        self._is_sound = pc.and_(self._is_sound, is_sound)

    def _spare(self, name: str, slot: int, is_exact: pa.Array) -> None:
        """Rows stay sound if what is no cell is a single value of this attribute."""
        is_other = pc.invert(is_exact)
        others = self._fields[slot].filter(is_other)
        prefix = re.escape(self._slots[slot].name.decode())
        is_single = _matches(others, f"{prefix}(?:{_SINGLE})")
        self._demand(pc.replace_with_mask(is_exact, is_other, is_single))
        self._spared[slot] = Spared(name, pc.indices_nonzero(is_other), others)

    def _texts(self, slot: int) -> tuple[pa.Array, pa.Array]:
        """Values behind the prefix, and whether they are what stands there."""
        field, prefix = self._fields[slot], self._slots[slot].prefix
        is_exact = pc.and_(pc.starts_with(field, prefix), pc.ends_with(field, b'"'))
        shortest = pa.scalar(len(prefix), pa.int32())
        is_exact = pc.and_(is_exact, pc.greater(pc.binary_length(field), shortest))
        if is_exact.false_count:  # what is shorter than the prefix must not be cut
            field = pc.if_else(is_exact, field, pa.scalar(prefix + b'0"'))
        found = pc.binary_slice(field, len(prefix), -1)
        for sign in self._signs:
            if bytes((sign,)) in all_bytes(found):
                is_clean = pc.invert(pc.match_substring(found, bytes((sign,))))
                is_exact = pc.and_(is_exact, is_clean)
        return found.cast(pa.string()), is_exact

    def _booleans(self, slot: int) -> tuple[pa.Array, pa.Array]:
        prefix = self._slots[slot].prefix
        is_true = pc.equal(self._fields[slot], pa.scalar(prefix + b"true", pa.binary()))
        is_false = pc.equal(self._fields[slot], pa.scalar(prefix + b"false", pa.binary()))
        return is_true, pc.or_(is_true, is_false)

    def _integers(self, texts: pa.Array, is_exact: pa.Array) -> tuple[pa.Array, pa.Array]:
        if _are_plain(texts):
            return texts.cast(pa.int64()), is_exact
        is_short = _matches(texts, "0|-?[1-9][0-9]{0,17}")
        is_long = _matches(texts, "-?[1-9][0-9]{18}")
        is_integer = pc.or_(is_short, is_long)
        try:
            cells = pc.if_else(is_integer, texts, None).cast(pa.int64())
        except pa.ArrowInvalid:  # beyond 64 bits, where another way has to look
            self._demand(pc.invert(is_long))
            is_integer = is_short
            cells = pc.if_else(is_short, texts, None).cast(pa.int64())
        return cells, pc.and_(is_exact, is_integer)

    def _nested(self, nested: Nested) -> pa.Array:
        parts: list[Any] = [pa.scalar(nested.pieces[0])]
        for slot, piece in zip(nested.slots, nested.pieces[1:], strict=True):
            parts += [self._member(slot), pa.scalar(piece)]
        if not nested.slots:
            parts[0] = pa.repeat(parts[0], len(self._fields[0]))
        return pc.binary_join_element_wise(*parts, "")

    def _member(self, slot: int) -> pa.Array:
        if self._slots[slot].tag == "BOOL":
            cells, is_exact = self._booleans(slot)
            self._demand(is_exact)
            return pc.if_else(cells, "true", "false")
        texts, is_exact = self._texts(slot)
        self._demand(is_exact)
        if self._slots[slot].tag == "N" and not _are_plain(texts):
            self._demand(_matches(texts, PLAIN_NUMBER))
        return texts


def _are_plain(texts: pa.Array) -> bool:
    """True if all of them are canonical numbers of 18 digits at most, without a sign."""
    lengths = pc.binary_length(texts)
    return (
        all_bytes(texts).isdigit()
        and pc.max(lengths).as_py() <= len("9" * 18)
        and pc.min(lengths).as_py() > 0
        and not pc.any(pc.and_(pc.starts_with(texts, "0"), pc.greater(lengths, 1))).as_py()
    )


def all_bytes(texts: pa.Array) -> bytes:
    """All of them, one behind the other."""
    data = texts.buffers()[2]
    return b"" if data is None else data.to_pybytes()


def _matches(texts: pa.Array, pattern: str) -> pa.Array:
    return pc.match_substring_regex(texts, f"^(?:{pattern})$")


def _cut(
    data: bytes, count: int, images: Sequence[Text]
) -> tuple[list[pa.Array], pa.Array | None, pa.Array]:
    """The fields of the lines that have so many, which lines these are if not all, and the others.

    Raises ArrowInvalid if an image is not one line.
    """
    others: list[int] = []

    def skip(row: Any) -> str:
        others.append(row.number - 1)
        return "skip"

    names = [str(i) for i in range(count)]
    types = dict.fromkeys(names, pa.binary())
    table = csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=names),
        csv.ParseOptions(
            delimiter="}", quote_char=False, ignore_empty_lines=False, invalid_row_handler=skip
        ),
        csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    )
    if table.num_rows + len(others) != len(images):
        raise pa.ArrowInvalid("an image is not one line")
    fields = [column.combine_chunks() for column in table.columns]
    if not others:
        return fields, None, pa.array([], pa.uint64())
    is_held = bytearray(b"\1") * len(images)
    for number in others:
        is_held[number] = 0
    flags = pa.Array.from_buffers(pa.uint8(), len(images), [None, pa.py_buffer(is_held)])
    return fields, pc.indices_nonzero(flags), pa.array(others, pa.uint64())
