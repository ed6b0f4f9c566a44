"""The vectorised decode: changes of a batch become Arrow rows in an in-memory DuckDB.

Nothing here puts records aside: a batch decodes as a whole or raises `Undecodable`.
Planning costs more than decoding a small batch, so the statement is prepared once and reads its
input through an object whose table is exchanged. The instance has no files, no network and a
memory limit; one thread at a time may use it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cdc.column_rules import ColumnRules
from cdc.columns import Columns, promote
from cdc.decode_input import Input, Text, slices
from cdc.decode_leaves import LeafDecode, completed
from cdc.decode_lines import LEAST_ROWS, LineDecode
from cdc.decode_rows import Cells, merged, newest_rows
from cdc.decode_sql import rows_query
from cdc.errors import Retryable
from cdc.keys import KeySchema
from cdc.misfits import Leftovers, leftovers
from cdc.nested_columns import plain_column

_INPUT = "decoder_input"


class Undecodable(Exception):
    """Bad data in at least one record of the batch; any other error is trouble of the engine."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows as `cdc.batch.schema_of(columns)` says; `misfits` counts values by attribute."""

    rows: pa.Table
    columns: Columns
    misfits: Mapping[str, int]


def sealed_connection(*, threads: int, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """An engine in memory that reaches nothing outside; `memory_limit` as DuckDB spells it."""
    return duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": memory_limit,
            "python_enable_replacements": False,
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "enable_external_access": False,
            "lock_configuration": True,
        },
    )


class DecodeEngine:
    """Decodes changes of one table. `memory_limit` as DuckDB spells it.

    `least_lines`: from so many changes on, the quickest way is tried first.
    """

    def __init__(
        self,
        keys: KeySchema,
        rules: ColumnRules,
        *,
        threads: int,
        memory_limit: str,
        least_lines: int = LEAST_ROWS,
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._first = (*(attribute.name for attribute in keys.attributes), *rules.preferred)
        self._prepared: Columns | None = None
        self._connection = sealed_connection(threads=threads, memory_limit=memory_limit)
        self._input = Input("image", "keys")
        self._connection.register(_INPUT, self._input)
        self._lines = LineDecode(self._connection, keys, least_rows=least_lines)
        self._leaves = LeafDecode(self._connection, keys, rules.excluded)

    def close(self) -> None:
        self._connection.close()

    def decode(
        self, images: Sequence[Text | None], keys: Sequence[Text | None], columns: Columns
    ) -> Decoded:
        """One row for each identity, the last change winning; the columns may have grown.

        `images` and `keys`: typed JSON; a key only where there is no image, for a deleted item.
        Raises Undecodable for bad data, Retryable if the memory limit is too small.
        """
        is_dead = pa.array([image is None for image in images], pa.bool_())
        cells = self._cells(images, keys, is_dead, columns)
        budget = self._rules.budget
        left = _leftovers(images, cells, columns, learn=len(columns) < budget)
        grown = promote(columns, left.unseen, first=self._first, budget=budget)
        if len(grown) > len(columns):
            cells = self._cells(images, keys, is_dead, grown)
            left = _leftovers(images, cells, grown, learn=False)
        rests: list[str | None] = [None] * len(images)
        for position, rest in zip(cells.misfits, left.rests, strict=True):
            rests[position] = rest
        for position, rest in cells.rests.items():
            rests[position] = rest
        rows = newest_rows(cells, is_dead, pa.array(rests, pa.string()), grown)
        return Decoded(rows, grown, Counter(left.counts) + Counter(cells.counts))

    def _cells(
        self,
        images: Sequence[Text | None],
        keys: Sequence[Text | None],
        is_dead: pa.Array,
        columns: Columns,
    ) -> Cells:
        """The cells of all rows: those of one layout at once, and the others."""
        lines = self._lines.decode(images, keys, is_dead, columns)
        if lines is None:
            return self._other_cells(images, keys, is_dead, columns)
        others = lines.others.to_pylist()
        cells = Cells(pa.array([], pa.binary(16)), [array.slice(0, 0) for array in lines.arrays])
        if others:
            cells = self._other_cells(
                [images[i] for i in others],
                [keys[i] for i in others],
                is_dead.take(lines.others),
                columns,
            )
        return merged(lines, others, cells)

    def _other_cells(
        self,
        images: Sequence[Text | None],
        keys: Sequence[Text | None],
        is_dead: pa.Array,
        columns: Columns,
    ) -> Cells:
        """The cells of all rows: quickly where these are proven, else by the way for all."""
        found = self._leaves.decode(images, keys, is_dead, columns)
        if found is None:
            return self._checked_cells(images, keys, columns)
        identities = self._identities(found.identities, images, keys)
        left = pc.indices_nonzero(pc.invert(found.is_whole))
        if not len(left):
            return Cells(identities, found.arrays, [], [])
        positions = left.to_pylist()
        try:
            arrays, exact = completed(found, [images[i] for i in positions], left, columns)
        except ValueError as error:
            raise Undecodable(str(error)) from error
        claimed = _claimed(zip(*exact, strict=True), columns, self._rules.excluded)
        return Cells(identities, arrays, positions, claimed)

    def _checked_cells(
        self, images: Sequence[Text | None], keys: Sequence[Text | None], columns: Columns
    ) -> Cells:
        """The cells of images of any kind: attributes are counted, nested values read one by one.

        Raises like `decode`.
        """
        result = self._run(images, keys, columns)
        identities = self._identities(result.column("h").combine_chunks(), images, keys)
        arrays: list[pa.Array] = []
        exact: list[pa.Array] = []
        for i, column in enumerate(columns):
            array = result.column(f"c{i}").combine_chunks()
            is_exact = None
            if column.kind == "json":
                array, is_exact = _plain(array)
            arrays.append(array)
            exact.append(array.is_valid() if is_exact is None else is_exact)
        missing = result.column("names").combine_chunks()
        for is_exact in exact:
            missing = pc.subtract(missing, is_exact.cast(pa.int64()))
        misfits = pc.indices_nonzero(pc.fill_null(missing, 0))
        patterns = zip(*(is_exact.take(misfits).to_pylist() for is_exact in exact), strict=True)
        # What is excluded is not looked for in `_rest` either.
        claimed = [self._rules.excluded] * len(misfits)
        if columns.all:
            claimed = _claimed(patterns, columns, self._rules.excluded)
        return Cells(identities, arrays, misfits.to_pylist(), claimed)

    def _identities(
        self, found: pa.Array, images: Sequence[Text | None], keys: Sequence[Text | None]
    ) -> pa.Array:
        if found.null_count:
            texts = zip(found.to_pylist(), images, keys, strict=True)
            found = pa.array(
                [
                    key_identity(self._keys, image or key or b"") if identity is None else identity
                    for identity, image, key in texts
                ],
                pa.binary(),
            )
        return found.cast(pa.binary(16))

    def _run(
        self, images: Sequence[Text | None], keys: Sequence[Text | None], columns: Columns
    ) -> pa.Table:
        self._prepare(columns)
        sizes = [len(image or key or b"") for image, key in zip(images, keys, strict=True)]
        parts = [self._run_slice(images[part], keys[part]) for part in slices(sizes)]
        return parts[0] if len(parts) == 1 else pa.concat_tables(parts)

    def _prepare(self, columns: Columns) -> None:
        if columns == self._prepared:
            return
        if self._prepared is not None:
            self._prepared = None
            self._connection.execute("DEALLOCATE decode").fetchall()
        query = rows_query(self._keys, columns, _INPUT, self._rules.excluded)
        self._connection.execute(f"PREPARE decode AS {query}").fetchall()
        self._prepared = columns

    def _run_slice(self, images: Sequence[Text | None], keys: Sequence[Text | None]) -> pa.Table:
        try:
            table = {name: _texts(texts) for name, texts in (("image", images), ("keys", keys))}
            self._input.table = pa.table(table)
            return self._connection.sql("EXECUTE decode").to_arrow_table()
        except pa.ArrowInvalid as error:
            raise Undecodable(f"not UTF-8: {error}") from error
        except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
            raise Undecodable(str(error)) from error
        except duckdb.OutOfMemoryException as error:
            raise Retryable(
                f"decoding {len(images)} records ({self._input.table.nbytes} bytes) needs more "
                "memory than the decoder may use",
                hint="give the decoder a larger memory limit",
            ) from error
        finally:
            self._input.clear()


def _texts(texts: Sequence[Text | None]) -> pa.Array:
    return pa.array((None if text is None else bytes(text) for text in texts), pa.string())


def _plain(typed: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        return plain_column(typed)
    except ValueError as error:
        raise Undecodable(str(error)) from error


def key_identity(keys: KeySchema, text: bytes) -> bytes:
    """The identity of typed JSON that holds the key's attributes. Raises Undecodable."""
    try:
        return keys.identity(msgspec.json.decode(text))
    except KeyError as error:
        raise Undecodable(f"a key attribute or its type is missing: {error}") from error
    except (ValueError, TypeError) as error:
        raise Undecodable(f"not a key: {error}") from error


def _leftovers(
    images: Sequence[Text | None], cells: Cells, columns: Columns, *, learn: bool
) -> Leftovers:
    misfits = [images[position] or b"{}" for position in cells.misfits]
    try:
        return leftovers(misfits, cells.claimed, columns, learn=learn)
    except msgspec.DecodeError as error:
        raise Undecodable(str(error)) from error


def _claimed(
    patterns: Iterable[tuple[Any, ...]], columns: Columns, excluded: frozenset[str]
) -> list[frozenset[str]]:
    names = columns.names
    seen: dict[tuple[Any, ...], frozenset[str]] = {}
    claimed = []
    for pattern in patterns:
        if pattern not in seen:
            seen[pattern] = excluded.union(compress(names, pattern))
        claimed.append(seen[pattern])
    return claimed
