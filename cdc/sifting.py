"""Between reading and decoding of a stream without order: one change per item, the newest.

Pages come in with duplicates and late changes; what goes on is what the file does not hold yet, and
with it the stamps (`cdc.ordering`) that are committed with those rows. What is clear is judged by
`cdc.ordering_engine` for the whole batch, ties by `cdc.ordering_ties` one by one.

Older than the floor is never taken: it was made before the scan that the file began with, or before
the stamps that are still remembered, so nobody could tell whether it is news.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from cdc.accelerator import Accelerator
from cdc.batch import Poison
from cdc.checkpoint import Checkpoint
from cdc.decode import ShardRecords
from cdc.ordering import (
    STAMPS,
    Remembered,
    digest_of,
    empty_stamps,
    stamps_of,
    table_of,
    texts_of,
)
from cdc.ordering_counts import Dropped
from cdc.ordering_engine import OrderingEngine
from cdc.ordering_ties import Ties
from cdc.records import StreamRecord

# The service tries for a day to deliver a change.
REMEMBER_SECONDS = 48 * 3600.0


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is to be decoded, and the stamps to be committed with it. `read`: changes that came.

    `poison`: what is no change at all.
    """

    pages: list[ShardRecords]
    stamps: pa.Table
    read: int
    poison: tuple[Poison, ...]


class Sifter:
    """Sifts the pages of one stream; used by the loop's thread.

    `skip_slack_seconds`: how long before the scan's begin the stream is read from. `quotes`: what
    is put aside is kept as it is; not where attributes are excluded, which it may hold anywhere.
    """

    def __init__(
        self, accelerator: Accelerator, ties: Ties, *, skip_slack_seconds: float, quotes: bool
    ) -> None:
        self.dropped = Dropped()
        self._accelerator = accelerator
        self._ties = ties
        self._skip_slack_seconds = skip_slack_seconds
        self._quotes = quotes
        self._engine = OrderingEngine(accelerator.keys)

    def close(self) -> None:
        """Release the engine's memory."""
        self._engine.close()

    def floor(self, checkpoint: Checkpoint) -> float:
        """Changes made before are not taken, and need not be remembered. Service time."""
        floor = checkpoint.scan.started_at - self._skip_slack_seconds
        if checkpoint.watermark is None:
            return floor
        remembered = min(REMEMBER_SECONDS, checkpoint.retention_seconds)
        return max(floor, checkpoint.watermark - remembered)

    def sift(self, pages: Sequence[ShardRecords], checkpoint: Checkpoint) -> Sifted:
        """The newest change of each item that the file does not hold. Raises Halted."""
        poison = tuple(
            self._poison(page.shard_id, record)
            for page in pages
            for record in page.records
            if record.refused
        )
        read = sum(len(page.records) for page in pages)
        shards = [page.shard_id for page in pages for each in page.records if not each.refused]
        records = [each for page in pages for each in page.records if not each.refused]
        identities = self._engine.identities([bytes(record.keys) for record in records])
        floor_us = int(self.floor(checkpoint) * 1_000_000)
        changes, kept = self._changes(records, identities, floor_us)
        stamps = empty_stamps()
        if changes.num_rows:
            stamps = self._judge(changes, records, kept)
        found = [ShardRecords(shards[number], [kept[number]]) for number in sorted(kept)]
        return Sifted(found, stamps, read, poison)

    # ------------------------------------------------------------ inside

    def _poison(self, shard_id: str, record: StreamRecord) -> Poison:
        if self._quotes:
            return Poison(shard_id, record.sequence, record.refused, bytes(record.keys))
        told = "not a document of a change; not quoted, because attributes are excluded"
        return Poison(shard_id, record.sequence, told, b"")

    def _changes(
        self,
        records: Sequence[StreamRecord],
        identities: Sequence[bytes | None],
        floor_us: int,
    ) -> tuple[pa.Table, dict[int, StreamRecord]]:
        """Changes as a table, and by number what the decoder is to put aside."""
        refused: dict[int, StreamRecord] = {}
        taken: list[int] = []
        for number, record in enumerate(records):
            if record.stamp is None or identities[number] is None:
                refused[number] = record
            elif record.stamp.last_us >= floor_us:
                taken.append(number)
        late = len(records) - len(refused) - len(taken)
        self.dropped = self.dropped.plus(0, late)
        stamps = [records[number].stamp for number in taken]
        known = [stamp for stamp in stamps if stamp is not None]
        table = pa.table(
            {
                "number": pa.array(taken, pa.int64()),
                "_h": pa.array([identities[number] for number in taken], pa.binary(16)),
                "first_us": pa.array([stamp.first_us for stamp in known], pa.int64()),
                "last_us": pa.array([stamp.last_us for stamp in known], pa.int64()),
                "event": pa.array([stamp.event for stamp in known], pa.string()),
            }
        )
        return table, refused

    def _judge(
        self, changes: pa.Table, records: Sequence[StreamRecord], kept: dict[int, StreamRecord]
    ) -> pa.Table:
        """Add what is to be decoded to `kept`; the stamps that go with it."""
        identities = changes.column("_h").combine_chunks()
        since_us = min(changes.column("first_us").to_pylist())
        held = self._accelerator.stamps(identities, since_us)
        verdicts = self._engine.judge(changes, held)
        self.dropped = self.dropped.plus(verdicts.duplicates, verdicts.late)
        kept |= {number: records[number] for number in verdicts.newest}
        clear = _stamped(verdicts.changes, [records[number] for number in verdicts.newest])
        if not verdicts.ties:
            return clear
        before = {stamp.identity: stamp for stamp in stamps_of(held)}
        settled: list[Remembered] = []
        for identity, numbers in verdicts.ties.items():
            tied = [records[number] for number in numbers]
            result = self._ties.settle(tied, before.get(identity), identity)
            self.dropped = self.dropped.plus(result.duplicates, 0, result.rule)
            if result.record is not None:
                kept[numbers[-1]] = result.record
            if result.stamp is not None:
                settled.append(result.stamp)
        return pa.concat_tables([clear, table_of(settled)])


def _stamped(changes: pa.Table, records: Sequence[StreamRecord]) -> pa.Table:
    """The stamps of changes that nothing competes with."""
    texts = [texts_of(record) for record in records]
    digest = pa.binary(16)
    arrays = [
        *(changes.column(name).combine_chunks() for name in STAMPS.names[:4]),
        pa.array([digest_of(image) for _, image in texts], digest),
        pa.array([digest_of(before) for before, _ in texts], digest),
        pa.array([False] * len(records), pa.bool_()),
        pa.nulls(len(records), pa.int64()),
    ]
    return pa.Table.from_arrays(arrays, schema=STAMPS)
