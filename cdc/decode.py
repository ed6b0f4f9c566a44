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
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from cdc.batch import Batch, Poison
from cdc.columns import COLUMN_BUDGET, Columns
from cdc.decode_engine import Change, DecodeEngine, Undecodable, key_identity
from cdc.keys import KeySchema
from cdc.records import StreamRecord

SCAN = "scan"
OTHER_ATTRIBUTES = "(other attributes)"
# Attributes without a column that are counted by name; a table may use data as names.
_NAMES_COUNTED = 200


@dataclass(frozen=True, slots=True)
class ShardRecords:
    """Records of one shard in sequence order."""

    shard_id: str
    records: Sequence[StreamRecord]


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
        self._names_counted: set[str] = set()
        self._engine = DecodeEngine(
            keys, column_budget=column_budget, threads=threads, memory_limit=memory_limit
        )

    def close(self) -> None:
        """Release the instance's memory."""
        self._engine.close()

    def changes(self, pages: Sequence[ShardRecords], columns: Columns) -> Batch:
        """The batch of records in order of arrival; its columns may have grown.

        Raises Retryable if the memory limit is too small for the batch.
        """
        read = [(page.shard_id, record) for page in pages for record in page.records]
        changes = [
            Change(shard, record.sequence, bytes(record.keys), _image(record))
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
        changes = [Change(SCAN, "", image, image) for image in images]
        return self._batch(changes, columns, [], records=len(items), ttl_deletes=0)

    def _batch(
        self,
        changes: list[Change],
        columns: Columns,
        poison: list[Poison],
        *,
        records: int,
        ttl_deletes: int,
    ) -> Batch:
        try:
            decoded = self._engine.decode(changes, columns)
        except Undecodable:
            changes, found = self._isolate(changes, columns)
            poison = poison + found
            decoded = self._engine.decode(changes, columns)
        return Batch(
            decoded.rows,
            decoded.columns,
            records=records,
            ttl_deletes=ttl_deletes,
            misfits=self._bounded(decoded.misfits, decoded.columns),
            poison=tuple(poison),
        )

    # ------------------------------------------------------------ poison

    def _isolate(
        self, changes: list[Change], columns: Columns
    ) -> tuple[list[Change], list[Poison]]:
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

    def _complaint(self, change: Change) -> str | None:
        try:
            key_identity(self._keys, change.keys)
            if change.image is not None:
                msgspec.json.decode(change.image)
        except (Undecodable, msgspec.DecodeError, UnicodeDecodeError) as error:
            return _reason(error)
        return None

    def _bisect(
        self, changes: list[Change], positions: list[int], columns: Columns
    ) -> dict[int, str]:
        try:
            self._engine.decode([changes[position] for position in positions], columns)
        except Undecodable as error:
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


def _poison(change: Change, reason: str) -> Poison:
    raw = change.keys if change.image is None else change.image
    sequence = change.sequence or hashlib.sha256(raw).hexdigest()[:32]
    return Poison(change.shard_id, sequence, reason, raw)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
