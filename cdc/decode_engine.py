"""The vectorised decode: changes of a batch become Arrow rows in an in-memory DuckDB.

Nothing here puts records aside: a batch decodes as a whole or raises `Undecodable`.
Planning costs more than decoding a small batch, so statements are prepared once and read their
input through an object whose table is exchanged. The instance has no files, no network and a
memory limit; one thread at a time may use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cdc.batch import schema_of
from cdc.columns import Columns, promote
from cdc.decode_sql import cells_query, identity_query
from cdc.errors import Retryable
from cdc.keys import KeySchema
from cdc.misfits import Leftovers, leftovers
from cdc.nested import plain_from_typed

_KEYS = "decoder_keys"
_IMAGES = "decoder_images"
# A statement needs about ten times the bytes of its images: 8 MB leave room within 512.
_SLICE_BYTES = 8 * 1024 * 1024
_NESTED = ('{"M":', '{"L":', '{"SS":', '{"NS":', '{"BS":')


class Undecodable(Exception):
    """Bad data in at least one record of the batch; any other error is trouble of the engine."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """Decoded images. `misfits`: row numbers; `claimed`: exact attributes of each misfit row."""

    arrays: list[pa.Array]
    misfits: list[int]
    claimed: list[frozenset[str]]


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows as `cdc.batch.schema_of(columns)` says; `misfits` counts values by attribute."""

    rows: pa.Table
    columns: Columns
    misfits: Mapping[str, int]


class DecodeEngine:
    """Decodes changes of one table. `memory_limit` as DuckDB spells it."""

    def __init__(
        self, keys: KeySchema, *, column_budget: int, threads: int, memory_limit: str
    ) -> None:
        self._keys = keys
        self._budget = column_budget
        self._prepared: Columns | None = None
        self._connection = duckdb.connect(
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

        self._key_texts = _Texts("keys")
        self._image_texts = _Texts("image")
        self._connection.register(_KEYS, self._key_texts)
        self._connection.register(_IMAGES, self._image_texts)
        self._connection.execute(f"PREPARE identities AS {identity_query(keys, _KEYS)}").fetchall()

    def close(self) -> None:
        self._connection.close()

    def decode(
        self, keys: Sequence[bytes], images: Sequence[bytes | None], columns: Columns
    ) -> Decoded:
        """One row for each identity, the last change winning; the columns may have grown.

        `keys` and `images` are typed JSON of the same changes; no image: the item was deleted.
        Raises Undecodable for bad data, Retryable if the memory limit is too small.
        """
        identities = self._identities(keys)
        if pc.count_distinct(identities).as_py() < len(identities):
            newest = {identity: i for i, identity in enumerate(identities.to_pylist())}
            positions = sorted(newest.values())
            identities = identities.take(positions)
            images = [images[position] for position in positions]
        cells = self._cells(images, columns)
        left = _leftovers(images, cells, columns, learn=len(columns) < self._budget)
        grown = promote(columns, left.unseen, budget=self._budget)
        if len(grown) > len(columns):
            cells = self._cells(images, grown)
            left = _leftovers(images, cells, grown, learn=False)
        rests: list[str | None] = [None] * len(images)
        for position, rest in zip(cells.misfits, left.rests, strict=True):
            rests[position] = rest
        is_dead = pa.array([image is None for image in images], pa.bool_())
        rows = pa.Table.from_arrays(
            [identities.cast(pa.binary(16)), is_dead, *cells.arrays, pa.array(rests, pa.string())],
            schema=schema_of(grown),
        )
        return Decoded(rows, grown, left.counts)

    def _identities(self, keys: Sequence[bytes]) -> pa.Array:
        found = self._run("identities", self._key_texts, keys).column("h").combine_chunks()
        if not found.null_count:
            return found
        identities = [
            key_identity(self._keys, text) if identity is None else identity
            for identity, text in zip(found.to_pylist(), keys, strict=True)
        ]
        return pa.array(identities, pa.binary())

    def _cells(self, images: Sequence[bytes | None], columns: Columns) -> _Cells:
        self._prepare(columns)
        result = self._run("cells", self._image_texts, images)
        arrays: list[pa.Array] = []
        exact: list[pa.Array] = []
        for i, column in enumerate(columns):
            array = result.column(i).combine_chunks()
            if column.kind == "json":
                array, is_exact = _plain(array)
            else:
                is_exact = array.is_valid()
            arrays.append(array)
            exact.append(is_exact)
        missing = result.column("names").combine_chunks()
        for is_exact in exact:
            missing = pc.subtract(missing, is_exact.cast(pa.int64()))
        misfits = pc.indices_nonzero(pc.fill_null(missing, 0))
        patterns = zip(*(is_exact.take(misfits).to_pylist() for is_exact in exact), strict=True)
        claimed = _claimed(patterns, columns) if columns.all else [frozenset()] * len(misfits)
        return _Cells(arrays, misfits.to_pylist(), claimed)

    def _prepare(self, columns: Columns) -> None:
        if columns == self._prepared:
            return
        if self._prepared is not None:
            self._prepared = None
            self._connection.execute("DEALLOCATE cells").fetchall()
        self._connection.execute(f"PREPARE cells AS {cells_query(columns, _IMAGES)}").fetchall()
        self._prepared = columns

    def _run(self, statement: str, source: _Texts, texts: Sequence[bytes | None]) -> pa.Table:
        parts = [self._run_slice(statement, source, texts[part]) for part in _slices(texts)]
        return parts[0] if len(parts) == 1 else pa.concat_tables(parts)

    def _run_slice(self, statement: str, source: _Texts, texts: Sequence[bytes | None]) -> pa.Table:
        try:
            source.fill(texts)
            return self._connection.sql(f"EXECUTE {statement}").to_arrow_table()
        except pa.ArrowInvalid as error:
            raise Undecodable(f"not UTF-8: {error}") from error
        except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
            raise Undecodable(str(error)) from error
        except duckdb.OutOfMemoryException as error:
            raise Retryable(
                f"decoding {len(texts)} records ({source.table.nbytes} bytes) needs more memory "
                "than the decoder may use",
                hint="give the decoder a larger memory limit",
            ) from error
        finally:
            source.clear()


class _Texts:
    """The input of a prepared statement: a table of one text column that can be exchanged."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.clear()

    def clear(self) -> None:
        # No pa.array of Python objects: it imports pandas where that is installed, and a node that
        # starts should not wait for it.
        self.table = pa.Table.from_batches([], pa.schema([(self._name, pa.string())]))

    def fill(self, texts: Sequence[bytes | None]) -> None:
        self.table = pa.table({self._name: pa.array(texts, pa.string())})

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def _slices(texts: Sequence[bytes | None]) -> list[slice]:
    """Consecutive slices of at most _SLICE_BYTES, or of one text that is larger."""
    if sum(len(text) for text in texts if text) <= _SLICE_BYTES:
        return [slice(None)]
    starts, size = [0], 0
    for position, text in enumerate(texts):
        size += len(text or b"")
        if size > _SLICE_BYTES and position > starts[-1]:
            starts.append(position)
            size = len(text or b"")
    return [slice(*ends) for ends in zip(starts, [*starts[1:], None], strict=True)]


def key_identity(keys: KeySchema, text: bytes) -> bytes:
    """The identity of typed JSON that holds the key's attributes. Raises Undecodable."""
    try:
        return keys.identity(msgspec.json.decode(text))
    except KeyError as error:
        raise Undecodable(f"a key attribute or its type is missing: {error}") from error
    except (ValueError, TypeError) as error:
        raise Undecodable(f"not a key: {error}") from error


def _leftovers(
    images: Sequence[bytes | None], cells: _Cells, columns: Columns, *, learn: bool
) -> Leftovers:
    misfits = [images[position] or b"{}" for position in cells.misfits]
    try:
        return leftovers(misfits, cells.claimed, columns, learn=learn)
    except msgspec.DecodeError as error:
        raise Undecodable(str(error)) from error


def _claimed(patterns: Iterable[tuple[Any, ...]], columns: Columns) -> list[frozenset[str]]:
    names = columns.names
    seen: dict[tuple[Any, ...], frozenset[str]] = {}
    claimed = []
    for pattern in patterns:
        if pattern not in seen:
            seen[pattern] = frozenset(compress(names, pattern))
        claimed.append(seen[pattern])
    return claimed


def _plain(typed: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Plain JSON cells of typed texts and whether each is exact; each distinct text once."""
    encoded = typed.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    try:
        forms = [
            plain_from_typed(text) if text.startswith(_NESTED) else (None, False) for text in texts
        ]
    except msgspec.DecodeError as error:
        raise Undecodable(str(error)) from error
    plain = pa.array([text for text, _ in forms], pa.string()).take(encoded.indices)
    exact = pa.array([is_exact for _, is_exact in forms], pa.bool_()).take(encoded.indices)
    return plain, pc.fill_null(exact, False)
