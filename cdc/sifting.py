"""Between reading and decoding of a stream without order: one change per item, the newest.

Pages come in with duplicates and late changes; what goes on is what the file does not hold yet, and
with it the stamps (`cdc.ordering`) that are committed with those rows. A batch becomes one table of
times, identities and events. What is clear is judged by `cdc.ordering_engine` for all of it, ties
by `cdc.ordering_ties` one by one.

Older than the floor is never taken: it was made before the scan that the file began with, or before
the stamps that are still remembered, so nobody could tell whether it is news.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter

import pyarrow as pa
import pyarrow.compute as pc

from cdc.accelerator import Accelerator
from cdc.batch import Poison
from cdc.checkpoint import Checkpoint
from cdc.decode import ShardRecords
from cdc.ordering import (
    STAMPS,
    Remembered,
    digests_of,
    empty_stamps,
    stamps_of,
    table_of,
)
from cdc.ordering_counts import Dropped
from cdc.ordering_engine import OrderingEngine
from cdc.ordering_ties import Ties
from cdc.records import StreamRecord

# The service tries for a day to deliver a change.
REMEMBER_SECONDS = 48 * 3600.0
_KEYS, _STAMP, _OLD_IMAGE = attrgetter("keys"), attrgetter("stamp"), attrgetter("stamp.old")


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
        read = sum(len(page.records) for page in pages)
        pages, poison = self._sound(pages)
        records = [record for page in pages for record in page.records]
        floor_us = int(self.floor(checkpoint) * 1_000_000)
        changes, is_kept = self._changes(records, floor_us)
        stamps = empty_stamps()
        if changes.num_rows:
            stamps = self._judge(changes, records, is_kept)
        return Sifted(_selected(pages, records, is_kept), stamps, read, poison)

    # ------------------------------------------------------------ inside

    def _sound(
        self, pages: Sequence[ShardRecords]
    ) -> tuple[Sequence[ShardRecords], tuple[Poison, ...]]:
        """The pages without what is no change at all, and that."""
        found: list[ShardRecords] = []
        poison: list[Poison] = []
        for page in pages:
            refused = [record for record in page.records if record.refused]
            if refused:
                poison += [self._poison(page.shard_id, record) for record in refused]
                sound = [record for record in page.records if not record.refused]
                page = ShardRecords(page.shard_id, sound)  # noqa: PLW2901
            found.append(page)
        return found, tuple(poison)

    def _poison(self, shard_id: str, record: StreamRecord) -> Poison:
        if self._quotes:
            return Poison(shard_id, record.sequence, record.refused, bytes(record.keys))
        told = "not a document of a change; not quoted, because attributes are excluded"
        return Poison(shard_id, record.sequence, told, b"")

    def _changes(
        self, records: Sequence[StreamRecord], floor_us: int
    ) -> tuple[pa.Table, list[bool]]:
        """Changes as a table; and which records go on as they are, for the decoder to put aside."""
        stamps = list(map(_STAMP, records))
        table = pa.table(
            {
                "number": pa.array(range(len(records)), pa.int64()),
                "_h": self._engine.identities(list(map(_KEYS, records))),
                "first_us": pa.array([stamp and stamp.first_us for stamp in stamps], pa.int64()),
                "last_us": pa.array([stamp and stamp.last_us for stamp in stamps], pa.int64()),
                "event": pa.array([stamp and stamp.event for stamp in stamps], pa.string()),
            }
        )
        is_known = pc.and_(table.column("_h").is_valid(), table.column("last_us").is_valid())
        is_taken = pc.and_(is_known, pc.greater_equal(table.column("last_us"), floor_us))
        taken = table.filter(is_taken)
        is_refused = pc.invert(is_known)
        late = len(records) - taken.num_rows - (pc.sum(is_refused).as_py() or 0)
        self.dropped = self.dropped.plus(0, late)
        return taken, is_refused.to_pylist()

    def _judge(
        self, changes: pa.Table, records: list[StreamRecord], is_kept: list[bool]
    ) -> pa.Table:
        """Mark what is to be decoded as kept, or put it into a record's place; its stamps."""
        identities = changes.column("_h").combine_chunks()
        held = self._accelerator.stamps(identities, pc.min(changes.column("first_us")).as_py())
        verdicts = self._engine.judge(changes, held)
        self.dropped = self.dropped.plus(verdicts.duplicates, verdicts.late)
        numbers = verdicts.newest.column("number").to_pylist()
        for number in numbers:
            is_kept[number] = True
        clear = _stamped(verdicts.newest, [records[number] for number in numbers])
        if not verdicts.ties:
            return clear
        before = {stamp.identity: stamp for stamp in stamps_of(held)}
        settled: list[Remembered] = []
        for identity, tied in verdicts.ties.items():
            result = self._ties.settle(
                [records[number] for number in tied], before.get(identity), identity
            )
            self.dropped = self.dropped.plus(result.duplicates, 0, result.rule)
            if result.record is not None:
                records[tied[-1]] = result.record
                is_kept[tied[-1]] = True
            if result.stamp is not None:
                settled.append(result.stamp)
        return pa.concat_tables([clear, table_of(settled)])


def _selected(
    pages: Sequence[ShardRecords], records: Sequence[StreamRecord], is_kept: Sequence[bool]
) -> list[ShardRecords]:
    """Of each page the records that are kept; `records`: of all pages."""
    found = []
    end = 0
    for page in pages:
        begin, end = end, end + len(page.records)
        kept = list(compress(records[begin:end], is_kept[begin:end]))
        if kept:
            found.append(ShardRecords(page.shard_id, kept))
    return found


def _stamped(changes: pa.Table, records: Sequence[StreamRecord]) -> pa.Table:
    """The stamps of changes that nothing competes with."""
    images = [None if record.event_name == "REMOVE" else record.image for record in records]
    arrays = [
        *(changes.column(name).combine_chunks() for name in STAMPS.names[:4]),
        digests_of(images),
        digests_of(list(map(_OLD_IMAGE, records))),
        pa.repeat(False, len(records)),
        pa.nulls(len(records), pa.int64()),
    ]
    return pa.Table.from_arrays(arrays, schema=STAMPS)
