"""Records and scanned items become a batch of exact rows, by an in-memory DuckDB.

Every typed cell is a claim that is checked here: it is filled only if its inverse gives back the
attribute (see cdc.columns). A row whose exact cells are fewer than its image's attributes is a
misfit; only for misfits is `_rest` built, out of the attributes without an exact cell. New
attributes get columns in the batch that shows them, which is then decoded once more.

One row leaves per identity: the last one in order of arrival.

Poison: a record that cannot be decoded (a lone surrogate, broken base64 in a key, no new image)
fails the vectorised statement, and only then is it looked for. It goes into `Batch.poison` with
its bytes, excluded attributes cut out, and the rest of the batch goes on. Its row keeps the content
it had before, which is older than the stream says: whoever commits a batch with poison must mark
the dataset degraded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from cdc.batch import Batch, Poison
from cdc.column_rules import ColumnRules
from cdc.columns import Columns
from cdc.decode_engine import Decoded, DecodeEngine, Undecodable, key_identity
from cdc.decode_input import Text
from cdc.keys import KeySchema
from cdc.misfits import without
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
        rules: ColumnRules | None = None,
        *,
        threads: int = 1,
        memory_limit: str = "512MB",
    ) -> None:
        self._keys = keys
        self._names_counted: set[str] = set()
        rules = rules or ColumnRules()
        self._excluded = rules.excluded
        self._engine = DecodeEngine(keys, rules, threads=threads, memory_limit=memory_limit)

    def close(self) -> None:
        """Release the instance's memory."""
        self._engine.close()

    def changes(self, pages: Sequence[ShardRecords], columns: Columns) -> Batch:
        """The batch of records in order of arrival; its columns may have grown.

        Raises Retryable if the memory limit is too small for the batch.
        """
        records = [record for page in pages for record in page.records]
        images = [None if record.event_name == "REMOVE" else record.image for record in records]
        without = [position for position, image in enumerate(images) if image is None]
        keys: list[Text | None] = [None] * len(records)
        for position in without:
            keys[position] = records[position].keys
        bad = {
            position: "the record has no new image"
            for position in without
            if records[position].event_name != "REMOVE"
        }
        decoded = self._decode(images, keys, columns, bad)
        shards = [page.shard_id for page in pages for _ in page.records] if bad else []
        poison = [
            self._poison(shards[i], records[i].sequence, reason, bytes(images[i] or keys[i] or b""))
            for i, reason in sorted(bad.items())
        ]
        expired = sum(records[i].is_ttl for i in without if records[i].event_name == "REMOVE")
        return self._batch(decoded, poison, records=len(records), ttl_deletes=expired)

    def scan(self, items: Sequence[msgspec.Raw], columns: Columns) -> Batch:
        """The batch of scanned items. Poison has `SCAN` as shard and a digest as sequence number.

        Raises Retryable if the memory limit is too small for the batch.
        """
        bad: dict[int, str] = {}
        decoded = self._decode(items, [None] * len(items), columns, bad)
        poison = [
            self._poison(SCAN, hashlib.sha256(items[i]).hexdigest()[:32], reason, bytes(items[i]))
            for i, reason in sorted(bad.items())
        ]
        return self._batch(decoded, poison, records=len(items), ttl_deletes=0)

    def _poison(self, shard_id: str, sequence: str, reason: str, raw: bytes) -> Poison:
        """A record to be put aside, without what is excluded, which a reason may quote."""
        if not self._excluded:
            return Poison(shard_id, sequence, reason, raw)
        kept = without(raw, self._excluded)
        told = "cannot be decoded; not quoted, because attributes are excluded"
        return Poison(shard_id, sequence, told, b"" if kept is None else kept)

    def _batch(
        self, decoded: Decoded, poison: list[Poison], *, records: int, ttl_deletes: int
    ) -> Batch:
        return Batch(
            decoded.rows,
            decoded.columns,
            records=records,
            ttl_deletes=ttl_deletes,
            misfits=self._bounded(decoded.misfits, decoded.columns),
            poison=tuple(poison),
        )

    # ------------------------------------------------------------ poison

    def _decode(
        self,
        images: Sequence[Text | None],
        keys: Sequence[Text | None],
        columns: Columns,
        bad: dict[int, str],
    ) -> Decoded:
        """Decode all but `bad` (position: reason); positions that turn out bad are added to it."""
        if not bad:
            try:
                return self._engine.decode(images, keys, columns)
            except Undecodable:
                pass
        bad |= self._complaints(images, keys)
        sound = [position for position in range(len(keys)) if position not in bad]
        # A change may come to light only when a bad one that superseded it is gone.
        while found := self._bisect(images, keys, sound, columns):
            bad |= found
            sound = [position for position in sound if position not in found]
        return self._engine.decode([images[i] for i in sound], [keys[i] for i in sound], columns)

    def _complaints(
        self, images: Sequence[Text | None], keys: Sequence[Text | None]
    ) -> dict[int, str]:
        """What a look at each record alone says against it: position and reason."""
        found: dict[int, str] = {}
        for position, (image, key) in enumerate(zip(images, keys, strict=True)):
            try:
                key_identity(self._keys, image or key or b"")
            except Undecodable as error:
                found[position] = _reason(error)
        return found

    def _bisect(
        self,
        images: Sequence[Text | None],
        keys: Sequence[Text | None],
        positions: Sequence[int],
        columns: Columns,
    ) -> dict[int, str]:
        """What the engine refuses although it looks sound."""
        try:
            self._engine.decode(
                [images[i] for i in positions], [keys[i] for i in positions], columns
            )
        except Undecodable as error:
            if len(positions) == 1:
                return {positions[0]: _reason(error)}
            half = len(positions) // 2
            parts = (positions[:half], positions[half:])
            first, second = (self._bisect(images, keys, part, columns) for part in parts)
            return first | second
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


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
