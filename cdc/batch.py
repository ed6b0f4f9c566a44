"""What travels from the decoder to an accelerator: rows as Arrow, ready to be committed.

`rows` has the columns, in this order:

    _h     fixed_size_binary(16)   identity of the item (see cdc.keys)
    _dead  bool                    the item was deleted; all later cells are NULL
    <attribute columns>            as in `columns`: text string · integer int64 · decimal string
                                   (canonical text; the engine casts it) · boolean bool ·
                                   binary binary · json string
    _rest  string                  typed DynamoDB JSON of everything that no cell holds, or NULL

One row per identity: the newest change of the batch. `columns` may have grown against what the file
holds; the accelerator adds the missing ones in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from cdc.columns import Columns


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be decoded, kept with its position instead of being skipped."""

    shard_id: str
    sequence: str
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one commit. `records` counts what was read, before the newest per item was taken.

    `stamps`: of a stream without order, what is to be remembered of these changes
    (`cdc.ordering.STAMPS`), one for each identity.
    """

    rows: pa.Table
    columns: Columns
    records: int = 0
    ttl_deletes: int = 0
    misfits: Mapping[str, int] = field(default_factory=dict)
    poison: tuple[Poison, ...] = ()
    stamps: pa.Table | None = None

    @property
    def deletes(self) -> int:
        """Items that are gone with it."""
        return sum(chunk.true_count for chunk in self.rows.column("_dead").chunks)

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to write but the checkpoint."""
        return self.rows.num_rows == 0 and not self.poison and not self.stamps


def empty_batch(columns: Columns) -> Batch:
    """Nothing to write but the checkpoint."""
    # Not Schema.empty_table(): that imports pandas where it is installed, a second of a cold start.
    return Batch(pa.Table.from_batches([], schema_of(columns)), columns)


def schema_of(columns: Columns) -> pa.Schema:
    """The Arrow schema of `Batch.rows` for these columns."""
    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "decimal": pa.string(),
        "boolean": pa.bool_(),
        "binary": pa.binary(),
        "json": pa.string(),
    }
    fields = [pa.field("_h", pa.binary(16)), pa.field("_dead", pa.bool_())]
    fields += [pa.field(column.name, types[column.kind]) for column in columns]
    return pa.schema([*fields, pa.field("_rest", pa.string())])
