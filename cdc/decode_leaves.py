"""The quick decode: every value of a batch pulled by its path, in one pass over the JSON.

It needs no second look for what it may have missed, because it accounts for bytes. The inverse of a
row's cells is typed JSON of a known length, in its shortest form; an image that is exactly as long
has nothing else in it, and no text in it was escaped. Such a row is whole. Of all others (misfits,
escaped texts, unusual nested values) whoever asked has to look for more. (Every way of decoding
relies on the service for S, N and B to be JSON strings.)

Nested values of a settled shape are pulled by their members' paths, see `cdc.shapes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from cdc.columns import Column, Columns
from cdc.decode_input import Input, Text, slices, text_array
from cdc.decode_sql import leaves_query, member_bytes
from cdc.keys import KeySchema
from cdc.misfits import typed_values
from cdc.nested_columns import plain_column
from cdc.shapes import Shape, common_shape

INPUT = "leaves_input"
# Each path is looked for in each image: with 60 of them the other way takes as long.
_MOST_COLUMNS = 48
# Batches that are not tried after one of which little was accounted for.
_REST_BATCHES = 15
_MOST_TRIES = 3
# What the typed form of a cell has around its text.
_TYPED_EXTRA = {
    "text": len('{"S":""}'),
    "integer": len('{"N":""}'),
    "decimal": len('{"N":""}'),
    "binary": len('{"B":""}'),
    "boolean": len('{"BOOL":}'),
    "json": 0,
}


@dataclass(frozen=True, slots=True)
class Leaves:
    """Identities, NULL where they are not known, and cells. `is_whole`: nothing else is in a row.

    Cells are exact, but for those of json columns in rows that are not whole: there a cell is if
    its member in the image is as long as `members` says by column.
    """

    identities: pa.Array
    arrays: list[pa.Array]
    members: list[pa.Array]
    is_whole: pa.Array


class LeafDecode:
    """The quick decode, on the connection of the engine that it works for."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, keys: KeySchema, excluded: frozenset[str]
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._key_names = frozenset(attribute.name for attribute in keys.attributes)
        self._excluded = sorted(excluded)
        self._shapes: dict[str, Shape] = {}
        self._tries: dict[str, int] = {}
        self._prepared: tuple[Columns, dict[str, Shape]] | None = None
        self._rest = 0
        self._input = Input("text")
        connection.register(INPUT, self._input)

    def decode(
        self,
        images: Sequence[Text | None],
        keys: Sequence[Text | None],
        is_dead: pa.Array,
        columns: Columns,
    ) -> Leaves | None:
        """Rows of images, and of the keys of deleted items; None where another way is better.

        Bad data is no error here: it is found again by the way that knows what to do about it.
        """
        if not 0 < len(columns) <= _MOST_COLUMNS:
            return None
        if self._rest:
            self._rest -= 1
            return None
        try:
            self._prepare(columns)
            texts: list[Any] = list(images)
            for position in pc.indices_nonzero(is_dead).to_pylist():
                texts[position] = keys[position] or b""
            sizes = list(map(len, texts))
            return self._leaves(self._run(texts, sizes), sizes, is_dead, columns)
        except (duckdb.Error, ValueError):
            return None

    def _prepare(self, columns: Columns) -> None:
        wanted = (columns, self._shapes)
        if wanted == self._prepared:
            return
        if self._prepared is not None:
            self._prepared = None
            self._connection.execute("DEALLOCATE leaves").fetchall()
        query = leaves_query(self._keys, columns, self._shapes, INPUT, self._excluded)
        self._connection.execute(f"PREPARE leaves AS {query}").fetchall()
        self._prepared = wanted

    def _run(self, texts: Sequence[Text], sizes: Sequence[int]) -> pa.Table:
        parts = []
        try:
            for part in slices(sizes):
                self._input.table = pa.table({"text": text_array(texts[part])})
                parts.append(self._connection.sql("EXECUTE leaves").to_arrow_table())
        finally:
            self._input.clear()
        return parts[0] if len(parts) == 1 else pa.concat_tables(parts)

    def _leaves(
        self, rows: pa.Table, sizes: Sequence[int], is_dead: pa.Array, columns: Columns
    ) -> Leaves:
        arrays, members = list[pa.Array](), list[pa.Array]()
        # An object has two braces, and a comma less than it has members.
        total = pc.add(_flat(rows.column("others")), 1)
        for i, column in enumerate(columns):
            cells = _flat(rows.column(f"c{i}"))
            shape = self._shapes.get(column.name)
            if column.kind == "json" and shape is None:
                typed = cells
                cells, is_exact = plain_column(typed)
                bytes_ = pc.if_else(is_exact, pc.binary_length(typed), None)
                self._learn(column, typed)
            else:
                bytes_ = _text_bytes(column, cells)
            extra = _TYPED_EXTRA[column.kind] if shape is None else shape.extra
            around = pa.scalar(member_bytes(column.name) + extra, pa.int32())
            members.append(pc.fill_null(pc.add(bytes_, around), 0))
            total = pc.add(total, members[-1])
            arrays.append(cells)
        identities = _flat(rows.column("h"))
        is_whole = pc.and_(pc.equal(total, pa.array(sizes, pa.int32())), identities.is_valid())
        self._look_back(columns, arrays, is_whole)
        if is_dead.true_count:
            for i, column in enumerate(columns):
                if column.name in self._key_names:
                    arrays[i] = pc.if_else(is_dead, None, arrays[i])
        return Leaves(identities, arrays, members, is_whole)

    # ------------------------------------------------------------ shapes

    def _learn(self, column: Column, typed: pa.Array) -> None:
        """Look for a shape of this column's values, a few times."""
        texts = typed.drop_null()
        if self._tries.get(column.name, 0) == _MOST_TRIES or not len(texts):
            return
        self._tries[column.name] = self._tries.get(column.name, 0) + 1
        shape = common_shape(texts.to_pylist())
        if shape is not None:
            self._shapes = {**self._shapes, column.name: shape}

    def _look_back(self, columns: Columns, arrays: list[pa.Array], is_whole: pa.Array) -> None:
        """Give up shapes that most values do not have, and rest if that does not explain it."""
        count = is_whole.true_count
        if 4 * count >= 3 * len(is_whole):
            return
        unusual = {
            column.name
            for column, cells in zip(columns, arrays, strict=True)
            if column.name in self._shapes and 2 * cells.null_count > len(cells)
        }
        if unusual:
            self._shapes = {
                name: shape for name, shape in self._shapes.items() if name not in unusual
            }
        elif 2 * count < len(is_whole):
            self._rest = _REST_BATCHES


def completed(
    found: Leaves, images: Sequence[Text | None], left: pa.Array, columns: Columns
) -> tuple[list[pa.Array], list[list[bool]]]:
    """All cells, and by column which of the rows that are `left` have an exact one.

    `images`: of those rows. A cell found by its path is exact, whatever else is in the image; of a
    nested value nothing is known but by its length. Raises ValueError for what is not JSON.
    """
    nested = [column.name for column in columns if column.kind == "json"]
    typed = typed_values(images, nested)
    arrays, exact = list(found.arrays), list[list[bool]]()
    for i, column in enumerate(columns):
        cells = arrays[i].take(left)
        is_exact = cells.is_valid()
        if column.kind == "json":
            texts = typed[column.name]
            lengths = pa.array([0 if text is None else len(text) for text in texts], pa.int32())
            members = pc.add(lengths, member_bytes(column.name))
            is_exact = pc.and_(is_exact, pc.equal(members, found.members[i].take(left)))
            unknown = pc.if_else(is_exact, None, pa.array(texts, pa.string()))
            plain, is_plain = plain_column(unknown)
            cells, is_exact = pc.if_else(is_exact, cells, plain), pc.or_(is_exact, is_plain)
            arrays[i] = pc.replace_with_mask(arrays[i], pc.invert(found.is_whole), cells)
        exact.append(is_exact.to_pylist())
    return arrays, exact


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _text_bytes(column: Column, cells: pa.Array) -> pa.Array:
    """The length of each cell's inverse, as its text on the wire; NULL for a NULL."""
    match column.kind:
        case "boolean":
            return pc.subtract(pa.scalar(len("false"), pa.int32()), cells.cast(pa.int32()))
        case "integer":
            return pc.binary_length(cells.cast(pa.string()))
        case "binary":
            sizes = pc.add(pc.binary_length(cells), 2)
            return pc.multiply(pc.divide(sizes, 3), 4).cast(pa.int32())
        case _:
            return pc.binary_length(cells)
