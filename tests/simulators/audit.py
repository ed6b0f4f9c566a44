"""What each commit has to hold, reckoned from the stream itself; upserts would hide the rest.

Between two checkpoints a shard's position moves over some records. The batch of that commit must
be exactly these: as many as they are (none lost, none doubled), each item as its newest record says
(order per key). Besides: a child moves only when its parents are at their end, positions never go
back, versions grow by one, and no item is scanned into the file twice.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cdc.batch import Batch
from cdc.checkpoint import Checkpoint
from cdc.columns import Columns
from cdc.keys import Item
from cdc.position import After, At, End, FromStart, Position, progress_order, sequence_order
from cdc.rebuild import canonical_item, rebuild
from cdc.shard_progress import ShardProgress
from tests.simulators.shards import Record, SimulatedShard
from tests.simulators.stream import KEYS, SimulatedTable

Told = dict[bytes, Item | None]


class Audit:
    """Looks at every commit of one file that follows a simulated table."""

    def __init__(self, table: SimulatedTable) -> None:
        self.records = 0
        self._table = table
        self._last: Checkpoint | None = None
        self._known: dict[str, ShardProgress] = {}
        self._scanned: set[bytes] = set()

    def bootstrap(self) -> None:
        """The file was emptied."""
        self._last, self._known, self._scanned = None, {}, set()

    def commit(self, batch: Batch, checkpoint: Checkpoint, *, is_scan: bool) -> None:
        before = self._last
        assert checkpoint.version == (before.version + 1 if before else 1), "a version was skipped"
        self._check_order(checkpoint)
        moved = self._moved_over(before, checkpoint)
        if is_scan:
            assert not moved, "positions moved over records that this commit does not hold"
            self._check_scan(batch)
        else:
            assert batch.records == len(moved), f"{len(moved)} records became {batch.records}"
            expected: Told = {}
            for record in moved:
                expected |= told_by_record(record)
            assert told_by(batch) == expected, "a commit is not what the stream says"
        self.records += len(moved)
        self._last = checkpoint
        self._known |= checkpoint.shards

    def missing(self) -> list[str]:
        """Sequence numbers of records written since the bootstrap that no commit covers."""
        assert self._last is not None, "nothing was committed"
        began_at = self._last.scan.started_at
        unread = []
        for shard_id, shard in self._table.streams[self._last.lineage.stream_arn].items():
            known = self._known.get(shard_id)
            since = FromStart(began_at) if known is None else known.position
            unread += [each for each in _between(shard, since, End()) if each.created >= began_at]
        return [record.sequence for record in unread]

    def _check_order(self, checkpoint: Checkpoint) -> None:
        for shard_id, progress in checkpoint.shards.items():
            before = self._known.get(shard_id)
            if before is not None:
                orders = progress_order(before.position), progress_order(progress.position)
                assert orders[0] <= orders[1], f"{shard_id} went back to {progress.position}"
            known = {**self._known, **checkpoint.shards}
            parents = [known[parent] for parent in progress.parents if parent in known]
            if not isinstance(progress.position, FromStart):
                for parent in parents:
                    assert isinstance(parent.position, End), f"{shard_id} overtook its parent"

    def _moved_over(self, before: Checkpoint | None, checkpoint: Checkpoint) -> list[Record]:
        """The records between the last checkpoint and this one, parents first."""
        shards = self._table.streams[checkpoint.lineage.stream_arn]
        moved: list[Record] = []
        if before is None:
            return moved
        for shard_id in sorted(checkpoint.shards.keys() & shards, key=_depth(shards)):
            known = self._known.get(shard_id)
            since = FromStart() if known is None else known.position
            moved += _between(shards[shard_id], since, checkpoint.shards[shard_id].position)
        return moved

    def _check_scan(self, batch: Batch) -> None:
        identities = [row["_h"] for row in batch.rows.to_pylist()]
        assert not self._scanned & set(identities), "an item was scanned into the file twice"
        assert len(set(identities)) == len(identities) == batch.records
        self._scanned |= set(identities)


def told_by(batch: Batch) -> Told:
    """Each item of a batch, None for a deleted one."""
    return {
        row["_h"]: None if row["_dead"] else _item(batch.columns, row)
        for row in batch.rows.to_pylist()
    }


def told_by_record(record: Record) -> Told:
    change = json.loads(record.text)["dynamodb"]
    new = change.get("NewImage")
    return {KEYS.identity(change["Keys"]): None if new is None else canonical_item(new)}


def _item(columns: Columns, row: dict[str, Any]) -> Item:
    return canonical_item(rebuild(columns, [row[name] for name in columns.names], row["_rest"]))


def _depth(shards: Mapping[str, SimulatedShard]) -> Callable[[str], int]:
    @cache
    def depth(shard_id: str | None) -> int:
        shard = shards.get(shard_id or "")
        return 0 if shard is None else 1 + max(depth(shard.parent_id), depth(shard.adjacent_id))

    return depth


def _between(shard: SimulatedShard, since: Position, upto: Position) -> list[Record]:
    return shard.records[_first_unread(shard, since) : _first_unread(shard, upto)]


def _first_unread(shard: SimulatedShard, position: Position) -> int:
    """Where a reader at this position goes on."""
    match position:
        case FromStart(skip_before):
            return bisect_left(shard.records, skip_before or 0.0, key=lambda each: each.created)
        case At(sequence):
            return bisect_left(shard.records, sequence_order(sequence), key=_order)
        case After(sequence):
            return bisect_right(shard.records, sequence_order(sequence), key=_order)
        case End():
            return len(shard.records)


def _order(record: Record) -> int:
    return sequence_order(record.sequence)
