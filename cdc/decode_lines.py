"""The quickest decode: images of one layout, without a look at their JSON.

Rows are taken of which each byte is accounted for (see `cdc.fields`), as most are in a table whose
items are written alike. The others are named, and someone else has to decode them.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from cdc.columns import Columns
from cdc.decode_input import Input, Text
from cdc.fields import Fields, all_bytes
from cdc.keys import KeySchema
from cdc.layouts import Layout, common_layout, key_layout

INPUT = "lines_input"
# A batch costs some hundred calls, whatever its size.
LEAST_ROWS = 2_000
# An attribute of a key has 2 KiB at most.
_LENGTHS = range(2_049)
# Batches that are not tried after one of which little was taken.
_REST_BATCHES = 15


@dataclass(frozen=True, slots=True)
class Lines:
    """What was taken. `positions`: of changes, first those taken, then `others`, which were not.

    `identities` and `places`: of those taken; a place in `arrays`, NULL for a deleted item.
    `arrays`: by column; cells are exact where a place leads to them. `rests`: by position, what no
    cell holds; `counts`: how many values that are, by attribute.
    """

    positions: pa.Array
    others: pa.Array
    identities: pa.Array
    places: pa.Array
    arrays: list[pa.Array]
    rests: Mapping[int, str]
    counts: Mapping[str, int]


class LineDecode:
    """The quickest decode, on the connection of the engine that it works for."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        keys: KeySchema,
        *,
        least_rows: int,
    ) -> None:
        self._keys = keys
        self._least_rows = least_rows
        self._columns: Columns | None = None
        self._layout: Layout | None = None
        self._rest = 0
        # What an identity has before the text of each attribute, by the text's length.
        self._heads = [
            pa.array([f"{attribute.type}{length:08x}" for length in _LENGTHS])
            for attribute in keys.attributes
        ]
        self._input = Input("text")
        connection.register(INPUT, self._input)
        self._digests = connection.sql(f"SELECT md5(text) AS h FROM {INPUT}")

    def decode(
        self,
        images: Sequence[Text | None],
        keys: Sequence[Text | None],
        is_dead: pa.Array,
        columns: Columns,
    ) -> Lines | None:
        """Rows of images, and of the keys of deleted items; None where another way is better.

        Bad data is no error here: it is found again by the way that knows what to do about it.
        """
        if len(images) < self._least_rows or not len(columns):
            return None
        if self._rest:
            self._rest -= 1
            return None
        try:
            found = self._lines(images, keys, is_dead, columns)
        except (duckdb.Error, pa.ArrowException, ValueError, KeyError):
            found = None
        if found is None or 2 * len(found.others) > len(images):
            self._columns, self._rest = None, _REST_BATCHES
        return found

    def _lines(
        self,
        images: Sequence[Text | None],
        keys: Sequence[Text | None],
        is_dead: pa.Array,
        columns: Columns,
    ) -> Lines | None:
        alive = [image for image in images if image is not None]
        if columns != self._columns:
            self._layout = common_layout(alive, columns) if alive else None
            self._columns = columns
        if self._layout is None:
            return None
        fields = Fields(alive, self._layout)
        arrays = [fields.cells(column) for column in columns]
        names = [attribute.name for attribute in self._keys.attributes]
        texts = [fields.keys(name) for name in names]
        living, dead = pc.indices_nonzero(pc.invert(is_dead)), pc.indices_nonzero(is_dead)
        places, rows, others = fields.sound()
        texts = [text.take(places) for text in texts]
        rests, counts = fields.rests()
        misfits = living.take(pa.array(rests, pa.uint64())).to_pylist()
        gone, left, gone_texts = self._gone([key for key in keys if key is not None])
        if len(gone) + len(left) != len(dead):
            return None
        identities = self._identities(
            [pa.concat_arrays(pair) for pair in zip(texts, gone_texts, strict=True)]
        )
        return Lines(
            pa.concat_arrays([living.take(rows), dead.take(gone)]),
            pa.concat_arrays([living.take(others), dead.take(left)]),
            identities,
            pa.concat_arrays([places, pa.nulls(len(gone), places.type)]),
            arrays,
            dict(zip(misfits, rests.values(), strict=True)),
            counts,
        )

    def _gone(self, keys: Sequence[Text]) -> tuple[pa.Array, pa.Array, list[pa.Array]]:
        """Keys of deleted items: which have the layout of the first, the others, and the texts."""
        layout = key_layout(keys[0], self._keys) if keys else None
        if layout is None:
            numbers = pa.array(range(len(keys)), pa.uint64())
            return (
                numbers.slice(0, 0),
                numbers,
                [pa.array([], pa.string())] * len(self._keys.attributes),
            )
        fields = Fields(keys, layout)
        texts = [fields.keys(attribute.name) for attribute in self._keys.attributes]
        places, rows, others = fields.sound()
        return rows, others, [text.take(places) for text in texts]

    def _identities(self, texts: Sequence[pa.Array]) -> pa.Array:
        parts: list[pa.Array] = []
        for heads, text in zip(self._heads, texts, strict=True):
            parts += [heads.take(pc.binary_length(text)), text]
        try:
            self._input.table = pa.table({"text": pc.binary_join_element_wise(*parts, "")})
            digests = self._digests.to_arrow_table().column("h").combine_chunks()
        finally:
            self._input.clear()
        # Faster than to have the engine do it for each.
        data = pa.py_buffer(unhexlify(all_bytes(digests)))
        return pa.Array.from_buffers(pa.binary(16), len(digests), [None, data])
