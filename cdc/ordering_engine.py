"""The vectorised part of ordering: what is clear about a batch without a look at its images.

An in-memory DuckDB computes the identities of all changes, and judges each by its time and event
among those of its item and against the item's stamp. Only ties are left to others.
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
from cdc.decode_sql import rows_query
from cdc.keys import KeySchema

_KEYS, _CHANGES, _HELD = "ordering_keys", "ordering_changes", "ordering_held"
_JUDGE = f"""
WITH known AS (
  SELECT c.*, row_number() OVER (PARTITION BY c._h, c.event ORDER BY c.number) > 1
      OR coalesce(h.event = c.event, false) AS is_again,
    h.first_us AS held_first, h.last_us AS held_last
  FROM {_CHANGES} c LEFT JOIN {_HELD} h ON c._h = h._h),
timed AS (
  SELECT *, max(greatest(first_us, held_first)) OVER (PARTITION BY _h) AS top FROM known),
judged AS (
  SELECT number, _h, CASE
      WHEN is_again THEN 'again'
      WHEN last_us < held_first THEN 'late'
      WHEN last_us < top THEN 'older'
      WHEN held_last >= top THEN 'tie'
      ELSE 'newest' END AS verdict
  FROM timed)
SELECT number, _h, CASE
    WHEN verdict = 'newest'
      AND count(*) FILTER (verdict = 'newest') OVER (PARTITION BY _h) > 1 THEN 'tie'
    ELSE verdict END AS verdict
FROM judged ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Numbers of changes. `changes`: the rows of the `newest`; `ties`: by identity."""

    newest: list[int]
    changes: pa.Table
    ties: dict[bytes, list[int]]
    duplicates: int
    late: int


class OrderingEngine:
    """Judges changes of one table. Used by one thread."""

    def __init__(self, keys: KeySchema, *, memory_limit: str = "256MB") -> None:
        self._keys = keys
        self._identify = rows_query(keys, Columns(), _KEYS)
        self._connection = sealed_connection(threads=1, memory_limit=memory_limit)

    def close(self) -> None:
        """Release the instance's memory."""
        self._connection.close()

    def identities(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The identity of each typed key; None where it cannot be read."""
        try:
            texts = pa.array(keys, pa.string())
            images = pa.nulls(len(texts), pa.string())
            self._connection.register(_KEYS, pa.table({"image": images, "keys": texts}))
            found = self._connection.sql(self._identify).to_arrow_table().column("h")
        except (pa.ArrowInvalid, duckdb.Error):  # one of them is damaged: each on its own
            return [self._identity(key) for key in keys]
        listed: list[bytes | None] = found.to_pylist()
        if found.null_count:  # a number in another spelling
            pairs = zip(listed, keys, strict=True)
            return [self._identity(key) if found is None else found for found, key in pairs]
        return listed

    def judge(self, changes: pa.Table, held: pa.Table) -> Verdicts:
        """What is clear. `changes`: number, _h, first_us, last_us, event; `held`: stamps."""
        numbers = changes.column("number")
        is_plain = pc.count_distinct(changes.column("_h")).as_py() == changes.num_rows
        if is_plain and not held.num_rows:
            return Verdicts(numbers.to_pylist(), changes, {}, 0, 0)
        self._connection.register(_CHANGES, changes)
        self._connection.register(_HELD, held.select(["_h", "first_us", "last_us", "event"]))
        judged = self._connection.sql(_JUDGE).to_arrow_table()
        verdicts = judged.column("verdict")
        ties: dict[bytes, list[int]] = defaultdict(list)
        tied = judged.filter(pc.equal(verdicts, "tie"))
        columns = (tied.column(name).to_pylist() for name in ("number", "_h"))
        for number, identity in zip(*columns, strict=True):
            ties[identity].append(number)
        # In the order of their numbers, as the changes are.
        newest = changes.filter(pc.equal(verdicts, "newest"))
        return Verdicts(
            newest=newest.column("number").to_pylist(),
            changes=newest,
            ties=dict(ties),
            duplicates=pc.sum(pc.equal(verdicts, "again")).as_py() or 0,
            late=pc.sum(pc.equal(verdicts, "late")).as_py() or 0,
        )

    def _identity(self, key: bytes) -> bytes | None:
        try:
            return key_identity(self._keys, key)
        except Undecodable:
            return None
