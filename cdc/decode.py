"""Records and scanned items become a batch of exact rows, by an in-memory DuckDB.

Every typed cell is a claim that is checked here: it is filled only if its inverse gives back the
attribute (see cdc.columns). A row whose exact cells are fewer than its image's attributes is a
misfit; only for misfits is `_rest` built, out of the attributes without an exact cell. New
attributes get columns in the batch that shows them, which is then decoded once more.

One row leaves per identity: the last one in order of arrival. Images that are superseded within a
batch are not decoded at all.

Poison: a record that cannot be decoded (a lone surrogate, broken base64 in a key, no new image)
fails the vectorised statement, and only then is it looked for. It goes into `Batch.poison` with
its bytes, and the rest of the batch goes on. Its row keeps the content it had before, which is
older than the stream says: whoever commits a batch with poison must mark the dataset degraded.

The instance has no files, no network and a memory limit; one thread at a time may use a decoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cdc.batch import Batch, Poison, schema_of
from cdc.columns import COLUMN_BUDGET, Columns, promote
from cdc.decode_sql import cells_query, identity_query
from cdc.errors import Retryable
from cdc.keys import KeySchema
from cdc.misfits import Leftovers, leftovers
from cdc.nested import plain_from_typed
from cdc.records import StreamRecord

SCAN = "scan"
OTHER_ATTRIBUTES = "(other attributes)"
# Attributes without a column that are counted by name; a table may use data as names.
_NAMES_COUNTED = 200
_SOURCE = "decoder_input"
_UNDECODABLE = (
    duckdb.InvalidInputException,
    duckdb.ConversionException,
    pa.ArrowInvalid,
    ValueError,
    LookupError,
    TypeError,
)
_NESTED = ('{"M":', '{"L":', '{"SS":', '{"NS":', '{"BS":')


@dataclass(frozen=True, slots=True)
class ShardRecords:
    """Records of one shard in sequence order."""

    shard_id: str
    records: Sequence[StreamRecord]


class _Change(NamedTuple):
    shard_id: str
    sequence: str
    keys: bytes
    image: bytes | None  # None: the item was deleted


@dataclass(frozen=True, slots=True)
class _Cells:
    """Decoded images. `misfits`: row numbers; `claimed`: exact attributes of each misfit row."""

    arrays: list[pa.Array]
    misfits: list[int] = field(default_factory=list)
    claimed: list[frozenset[str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Decoded:
    rows: pa.Table
    columns: Columns
    misfits: Mapping[str, int]


class Decoder:
    """Decodes batches of one table. `memory_limit` as DuckDB spells it."""

    def __init__(
        self,
        keys: KeySchema,
        *,
        column_budget: int = COLUMN_BUDGET,
        threads: int = 1,
        memory_limit: str = "512MB",
    ) -> None:
        self._keys = keys
        self._budget = column_budget
        self._identity_sql = identity_query(keys, _SOURCE)
        self._names_counted: set[str] = set()
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

    def close(self) -> None:
        """Release the instance's memory."""
        self._connection.close()

    def changes(self, pages: Sequence[ShardRecords], columns: Columns) -> Batch:
        """The batch of records in order of arrival; its columns may have grown.

        Raises Retryable if the memory limit is too small for the batch.
        """
        read = [(page.shard_id, record) for page in pages for record in page.records]
        changes = [
            _Change(shard, record.sequence, bytes(record.keys), _image(record))
            for shard, record in read
            if record.event_name == "REMOVE" or record.image is not None
        ]
        poison = [
            Poison(shard, record.sequence, "the record has no new image", bytes(record.keys))
            for shard, record in read
            if record.event_name != "REMOVE" and record.image is None
        ]
        expired = sum(record.is_ttl for _, record in read if record.event_name == "REMOVE")
        return self._batch(changes, columns, poison, records=len(read), ttl_deletes=expired)

    def scan(self, items: Sequence[msgspec.Raw], columns: Columns) -> Batch:
        """The batch of scanned items. Poison has `SCAN` as shard and a digest as sequence number.

        Raises Retryable if the memory limit is too small for the batch.
        """
        images = [bytes(item) for item in items]
        changes = [_Change(SCAN, "", image, image) for image in images]
        return self._batch(changes, columns, [], records=len(items), ttl_deletes=0)

    def _batch(
        self,
        changes: list[_Change],
        columns: Columns,
        poison: list[Poison],
        *,
        records: int,
        ttl_deletes: int,
    ) -> Batch:
        try:
            decoded = self._decode(changes, columns)
        except _UNDECODABLE:
            changes, found = self._isolate(changes, columns)
            poison = poison + found
            decoded = self._decode(changes, columns)
        return Batch(
            decoded.rows,
            decoded.columns,
            records=records,
            ttl_deletes=ttl_deletes,
            misfits=self._bounded(decoded.misfits, decoded.columns),
            poison=tuple(poison),
        )

    # ------------------------------------------------------------ rows

    def _decode(self, changes: list[_Change], columns: Columns) -> _Decoded:
        identities = self._identities([change.keys for change in changes])
        newest = {identity: position for position, identity in enumerate(identities)}
        positions = sorted(newest.values())
        images = [changes[position].image for position in positions]
        cells = self._cells(images, columns)
        left = _leftovers(images, cells, columns, learn=len(columns) < self._budget)
        grown = promote(columns, left.unseen, budget=self._budget)
        if len(grown) > len(columns):
            cells = self._cells(images, grown)
            left = _leftovers(images, cells, grown, learn=False)
        rests: list[str | None] = [None] * len(images)
        for position, rest in zip(cells.misfits, left.rests, strict=True):
            rests[position] = rest
        rows = pa.Table.from_arrays(
            [
                pa.array([identities[position] for position in positions], pa.binary(16)),
                pa.array([image is None for image in images], pa.bool_()),
                *cells.arrays,
                pa.array(rests, pa.string()),
            ],
            schema=schema_of(grown),
        )
        return _Decoded(rows, grown, left.counts)

    def _identities(self, keys: list[bytes]) -> list[bytes]:
        table = pa.table({"keys": pa.array(keys, pa.string())})
        found = self._run(self._identity_sql, table).column("h").to_pylist()
        return [
            self._keys.identity(msgspec.json.decode(text)) if identity is None else identity
            for identity, text in zip(found, keys, strict=True)
        ]

    def _cells(self, images: list[bytes | None], columns: Columns) -> _Cells:
        table = pa.table({"image": pa.array(images, pa.string())})
        result = self._run(cells_query(columns, _SOURCE), table)
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

    def _run(self, sql: str, table: pa.Table) -> pa.Table:
        self._connection.register(_SOURCE, table)
        try:
            return self._connection.sql(sql).to_arrow_table()
        except duckdb.OutOfMemoryException as error:
            raise Retryable(
                f"decoding {table.num_rows} records ({table.nbytes} bytes) needs more memory than "
                "the decoder may use",
                hint="use smaller batches or give the decoder a larger memory limit",
            ) from error
        finally:
            self._connection.unregister(_SOURCE)

    # ------------------------------------------------------------ poison

    def _isolate(
        self, changes: list[_Change], columns: Columns
    ) -> tuple[list[_Change], list[Poison]]:
        found: dict[int, str] = {}
        for position, change in enumerate(changes):
            reason = self._complaint(change)
            if reason is not None:
                found[position] = reason
        sound = [position for position in range(len(changes)) if position not in found]
        # A change may come to light only when a bad one that superseded it is gone.
        while bad := self._bisect(changes, sound, columns):
            found |= bad
            sound = [position for position in sound if position not in bad]
        poison = [_poison(changes[position], reason) for position, reason in sorted(found.items())]
        return [changes[position] for position in sound], poison

    def _complaint(self, change: _Change) -> str | None:
        try:
            self._keys.identity(msgspec.json.decode(change.keys))
            if change.image is not None:
                msgspec.json.decode(change.image)
        except _UNDECODABLE as error:
            return _reason(error)
        return None

    def _bisect(
        self, changes: list[_Change], positions: list[int], columns: Columns
    ) -> dict[int, str]:
        try:
            self._decode([changes[position] for position in positions], columns)
        except _UNDECODABLE as error:
            if len(positions) == 1:
                return {positions[0]: _reason(error)}
            half = len(positions) // 2
            return self._bisect(changes, positions[:half], columns) | self._bisect(
                changes, positions[half:], columns
            )
        return {}

    # ------------------------------------------------------------ counts

    def _bounded(self, counts: Mapping[str, int], columns: Columns) -> dict[str, int]:
        known = frozenset(columns.names)
        bounded: dict[str, int] = {}
        for name, count in counts.items():
            if name not in known and len(self._names_counted) < _NAMES_COUNTED:
                self._names_counted.add(name)
            key = name if name in known or name in self._names_counted else OTHER_ATTRIBUTES
            bounded[key] = bounded.get(key, 0) + count
        return bounded


def _image(record: StreamRecord) -> bytes | None:
    if record.event_name == "REMOVE" or record.image is None:
        return None
    return bytes(record.image)


def _leftovers(
    images: list[bytes | None], cells: _Cells, columns: Columns, *, learn: bool
) -> Leftovers:
    misfits = [images[position] or b"{}" for position in cells.misfits]
    return leftovers(misfits, cells.claimed, columns, learn=learn)


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
    forms = [
        plain_from_typed(text) if text.startswith(_NESTED) else (None, False)
        for text in encoded.dictionary.to_pylist()
    ]
    plain = pa.array([text for text, _ in forms], pa.string()).take(encoded.indices)
    exact = pa.array([is_exact for _, is_exact in forms], pa.bool_()).take(encoded.indices)
    return plain, pc.fill_null(exact, False)


def _poison(change: _Change, reason: str) -> Poison:
    raw = change.keys if change.image is None else change.image
    sequence = change.sequence or hashlib.sha256(raw).hexdigest()[:32]
    return Poison(change.shard_id, sequence, reason, raw)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
