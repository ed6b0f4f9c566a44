"""The vectorised part of ordering: what is clear about a batch without a look at its images.

An in-memory DuckDB computes the identities of all changes. Most are the only change of their item
and find no stamp: these are clear. The others are judged by their times and events among those of
their item and against its stamp. Only ties are left to others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from cdc.columns import Columns
from cdc.decode_engine import Undecodable, key_identity, sealed_connection
from cdc.decode_input import Input, Text, slices, text_array
from cdc.decode_sql import leaves_query
from cdc.keys import KeySchema

_KEYS, _CHANGES, _HELD = "ordering_keys", "ordering_changes", "ordering_held"
_HELD_FIELDS = [
    pa.field("first_us", pa.int64()),
    pa.field("last_us", pa.int64()),
    pa.field("event", pa.string()),
    pa.field("item", pa.int32()),
]
_CHANGE_FIELDS = [pa.field("number", pa.int64()), *_HELD_FIELDS]
# An item is a number here: of a text of 16 bytes the windows would take three times as long.
_JUDGE = f"""
WITH known AS (
  SELECT c.*, row_number() OVER (PARTITION BY c.item, c.event ORDER BY c.number) > 1
      OR coalesce(h.event = c.event, false) AS is_again,
    h.first_us AS held_first, h.last_us AS held_last
  FROM {_CHANGES} c LEFT JOIN {_HELD} h ON c.item = h.item),
timed AS (
  SELECT *, max(greatest(first_us, held_first)) OVER (PARTITION BY item) AS top FROM known),
judged AS (
  SELECT number, item, CASE
      WHEN is_again THEN 'again'
      WHEN last_us < held_first THEN 'late'
      WHEN last_us < top THEN 'older'
      WHEN held_last >= top THEN 'tie'
      ELSE 'newest' END AS verdict
  FROM timed)
SELECT number, item, CASE
    WHEN verdict = 'newest'
      AND count(*) FILTER (verdict = 'newest') OVER (PARTITION BY item) > 1 THEN 'tie'
    ELSE verdict END AS verdict
FROM judged ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """`newest`: those of the changes, in their order; `ties`: numbers of changes by identity."""

    newest: pa.Table
    ties: dict[bytes, list[int]]
    duplicates: int
    late: int


class _Rows:
    """Rows that can be exchanged: to plan a statement takes longer than a small batch."""

    def __init__(self, fields: Sequence[pa.Field]) -> None:
        self._empty = self.table = pa.Table.from_batches([], pa.schema(fields))

    def clear(self) -> None:
        self.table = self._empty

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class OrderingEngine:
    """Judges changes of one table. Used by one thread."""

    def __init__(self, keys: KeySchema, *, memory_limit: str = "256MB") -> None:
        self._keys = keys
        self._connection = sealed_connection(threads=1, memory_limit=memory_limit)
        self._texts = Input("text")
        self._changes, self._held = _Rows(_CHANGE_FIELDS), _Rows(_HELD_FIELDS)
        self._connection.register(_KEYS, self._texts)
        self._connection.register(_CHANGES, self._changes)
        self._connection.register(_HELD, self._held)
        identify = leaves_query(keys, Columns(), {}, _KEYS)
        for name, query in (("identify", identify), ("judge", _JUDGE)):
            self._connection.execute(f"PREPARE {name} AS {query}").fetchall()

    def close(self) -> None:
        """Release the instance's memory."""
        self._connection.close()

    def identities(self, keys: Sequence[Text]) -> pa.Array:
        """The identity of each typed key; NULL where it cannot be read."""
        try:
            parts = [self._identified(keys[part]) for part in slices(list(map(len, keys)))]
        except (pa.ArrowInvalid, duckdb.Error):  # one of them is damaged: each on its own
            return pa.array([self._identity(key) for key in keys], pa.binary(16))
        found = pa.concat_arrays(parts)
        if found.null_count:  # a number in another spelling
            unknown = found.is_null()
            positions = pc.indices_nonzero(unknown).to_pylist()
            others = pa.array([self._identity(keys[i]) for i in positions], found.type)
            found = pc.replace_with_mask(found, unknown, others)
        return found.cast(pa.binary(16))

    def judge(self, changes: pa.Table, held: pa.Table) -> Verdicts:
        """What is clear. `changes`: number, _h, first_us, last_us, event; `held`: stamps."""
        items = changes.column("_h").combine_chunks().dictionary_encode()
        asked = pc.index_in(held.column("_h"), value_set=items.dictionary).combine_chunks()
        is_contested = _contested(items.indices, len(items.dictionary), asked)
        if not is_contested.true_count:
            return Verdicts(changes, {}, 0, 0)
        contested = changes.drop_columns("_h").append_column("item", items.indices)
        times = held.select(["first_us", "last_us", "event"]).append_column("item", asked)
        judged = self._judged(contested.filter(is_contested), times)
        verdicts = judged.column("verdict")
        ties: dict[bytes, list[int]] = defaultdict(list)
        tied = judged.filter(pc.equal(verdicts, "tie"))
        identities = items.dictionary.take(tied.column("item").combine_chunks())
        for number, h in zip(
            tied.column("number").to_pylist(), identities.to_pylist(), strict=True
        ):
            ties[h].append(number)
        newest = judged.column("number").filter(pc.equal(verdicts, "newest"))
        is_newest = pc.is_in(changes.column("number"), value_set=newest)
        return Verdicts(
            newest=changes.filter(pc.or_(pc.invert(is_contested), is_newest)),
            ties=dict(ties),
            duplicates=pc.sum(pc.equal(verdicts, "again")).as_py() or 0,
            late=pc.sum(pc.equal(verdicts, "late")).as_py() or 0,
        )

    def _identified(self, keys: Sequence[Text]) -> pa.Array:
        try:
            self._texts.table = pa.table({"text": text_array(keys)})
            rows = self._connection.sql("EXECUTE identify").to_arrow_table()
        finally:
            self._texts.clear()
        return rows.column("h").combine_chunks()

    def _judged(self, changes: pa.Table, held: pa.Table) -> pa.Table:
        try:
            self._changes.table, self._held.table = changes, held
            return self._connection.sql("EXECUTE judge").to_arrow_table()
        finally:
            self._changes.clear()
            self._held.clear()

    def _identity(self, key: Text) -> bytes | None:
        try:
            return key_identity(self._keys, bytes(key))
        except Undecodable:
            return None


def _contested(items: pa.Array, distinct: int, asked: pa.Array) -> pa.Array:
    """Which changes are not alone: of an item with others in the batch, or with a stamp."""
    numbers = asked
    if distinct < len(items):
        counts = pc.value_counts(items)
        repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        numbers = pa.concat_arrays([asked, repeated])
    return pc.is_in(items, value_set=numbers)
