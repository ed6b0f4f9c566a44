"""The checkpoint: what a file holds, as one value that is committed with the rows it covers.

It names the state by (lineage, generation, version), keeps the position of every shard, the
progress of the bootstrap scan and the proof times from which ages are computed:

    bound(AFTER s, AT s)  = max(created of newest applied record, tip_at) + retention
    bound(FROM_START)     = max(time in the shard's id, tip_at, skip_before) + retention;
                          of these none known: that of its parents
    bound(END)            = bound of its children; none known: ended_at + retention
    resumable_until       = min over shards with unread records − margin
    age                   = retention − margin − (resumable_until − now); 0 is "proven just now"

`updated_at` takes no part: an empty poll moves it without moving the position. The retention is the
stream's own and stands in the checkpoint, because who reads a file may not be able to ask. All
times are epoch seconds of the service's clock. No I/O and no clock here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cdc import position as positions
from cdc.position import End, FromStart
from cdc.shard_progress import ShardProgress, shards_from_json, shards_to_json, unfinished

FORMAT = 1
RETENTION_SECONDS = 24 * 3600.0
# Ages are compared with 18 h and 24 h; five minutes cover clock error and a slow first request.
MARGIN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Lineage:
    """Which table, which stream of it, which bootstrap: a re-created table is another lineage."""

    table_name: str
    table_id: str
    stream_arn: str
    epoch: str

    @property
    def id(self) -> str:
        """A short printable digest, used in file and object names."""
        text = f"{self.table_id}\n{self.stream_arn}\n{self.epoch}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def has_stream(self) -> bool:
        """False for a table that is read anew each time, by Scan alone."""
        return bool(self.stream_arn)

    def same_source(self, table_id: str, stream_arn: str) -> bool:
        """True if a described source is the one that this lineage was taken from."""
        return (self.table_id, self.stream_arn) == (table_id, stream_arn)

    def same_table(self, table_id: str, stream_arn: str) -> bool:
        """As `same_source`, but where one of the two names no stream the table decides."""
        one_has_none = not (self.stream_arn and stream_arn)
        return self.table_id == table_id and (one_has_none or self.stream_arn == stream_arn)


@dataclass(frozen=True, slots=True)
class SegmentProgress:
    """Progress of one scan segment. `last_key` is LastEvaluatedKey as DynamoDB JSON text."""

    last_key: str | None = None
    done: bool = False
    rows: int = 0


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """Progress of the bootstrap scan. A key belongs to its segment *and* to the segment count.

    `excluded`: attributes that rows are stored without, from the scan on.
    """

    started_at: float
    segments: tuple[SegmentProgress, ...]
    ended_at: float | None = None
    excluded: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Items committed so far."""
        return sum(segment.rows for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a file after one commit.

    `retention_seconds` 0: changes made since are in no stream, so nothing can be resumed.
    """

    lineage: Lineage
    generation: int
    version: int
    scan: ScanProgress
    shards: Mapping[str, ShardProgress] = field(default_factory=dict)
    watermark: float | None = None
    updated_at: float | None = None
    retention_seconds: float = RETENTION_SECONDS

    def next(self, **changes: Any) -> Checkpoint:
        """The checkpoint of the following commit."""
        return replace(self, version=self.version + 1, **changes)


def unread_since(
    shard: ShardProgress, others: Mapping[str, ShardProgress] | None = None
) -> float | None:
    """No wanted unread record of this shard (END: of its children) is older; None if unknown.

    `others` has its parents: it was made when the last of them closed.
    """
    match shard.position:
        case End():
            return shard.ended_at
        case FromStart(skip_before):
            known = [shard_started_at(shard.shard_id), shard.tip_at, skip_before]
            if others and not any(known):
                parents = [others[each] for each in shard.parents if each in others]
                known = [unread_since(parent, others) for parent in parents]
            return max((time for time in known if time is not None), default=None)
        case _:
            return shard.proven_at


def resumable_until(
    checkpoint: Checkpoint,
    *,
    retention_seconds: float | None = None,
    margin_seconds: float = MARGIN_SECONDS,
) -> float | None:
    """The earliest instant at which an unread position may become unreadable; None if unknown.

    `retention_seconds`: None for what the checkpoint says.
    """
    if retention_seconds is None:
        retention_seconds = checkpoint.retention_seconds
    parents = {parent for shard in checkpoint.shards.values() for parent in shard.parents}
    bounds: list[float] = []
    for shard in checkpoint.shards.values():
        if isinstance(shard.position, End) and shard.shard_id in parents:
            continue
        proven = unread_since(shard, checkpoint.shards)
        if proven is None:
            return None
        bounds.append(proven)
    return min(bounds) + retention_seconds - margin_seconds if bounds else None


def age_seconds(
    until: float,
    now: float,
    *,
    retention_seconds: float = RETENTION_SECONDS,
    margin_seconds: float = MARGIN_SECONDS,
) -> float:
    """The checkpoint's age that is compared with the 18 h and 24 h thresholds."""
    return retention_seconds - margin_seconds - (until - now)


def shard_started_at(shard_id: str) -> float | None:
    """The time in `shardId-<20 digits of epoch milliseconds>-<hash>`, or None if it has none.

    A shard of Kinesis has none: its 12 digits are a number.
    """
    parts = shard_id.split("-")
    if len(parts) < 3 or not parts[1].isdigit():
        return None
    seconds = int(parts[1]) / 1000
    return seconds if seconds > 0 else None


def is_at_least(newer: Checkpoint, older: Checkpoint) -> bool:
    """True if `newer` covers everything that `older` covers, shard by shard.

    A shard that `newer` does not know any more was finished and forgotten; a shard that `older` had
    not begun is no obstacle. Checkpoints of two lineages are never comparable, versions only within
    a generation: a standby commits in another rhythm than the writer that it replaces.
    """
    if newer.lineage != older.lineage:
        return False
    for shard_id, shard in older.shards.items():
        mine = newer.shards.get(shard_id)
        if mine is not None and positions.progress_order(mine.position) < positions.progress_order(
            shard.position
        ):
            return False
    return newer.generation > older.generation or newer.version >= older.version


def encode(checkpoint: Checkpoint) -> str:
    """The JSON text that is stored in the file and in the manifest."""
    return json.dumps(to_json(checkpoint), separators=(",", ":"), sort_keys=True)


def encode_unfinished(checkpoint: Checkpoint) -> str:
    """As `encode`, without the shards that were read to their end."""
    return encode(replace(checkpoint, shards=unfinished(checkpoint.shards)))


def to_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """A JSON-ready form; `from_json` is its inverse."""
    is_usual = checkpoint.retention_seconds == RETENTION_SECONDS
    return {
        "format": FORMAT,
        "lineage": asdict(checkpoint.lineage),
        "generation": checkpoint.generation,
        "version": checkpoint.version,
        "watermark": checkpoint.watermark,
        "updated_at": checkpoint.updated_at,
        **({} if is_usual else {"retention_seconds": checkpoint.retention_seconds}),
        "scan": {
            "started_at": checkpoint.scan.started_at,
            "ended_at": checkpoint.scan.ended_at,
            "segments": [asdict(segment) for segment in checkpoint.scan.segments],
            "excluded": list(checkpoint.scan.excluded),
        },
        "shards": shards_to_json(checkpoint.shards),
    }


def decode(text: str | bytes, finished: str | None = None) -> Checkpoint:
    """The checkpoint that `encode` wrote; `finished`: shards that `encode_shards` wrote apart.

    Raises ValueError if it is of another format.
    """
    try:
        checkpoint = from_json(json.loads(text))
        apart = shards_from_json(json.loads(finished)) if finished else {}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a checkpoint: {error!r}") from error
    return replace(checkpoint, shards={**apart, **checkpoint.shards}) if apart else checkpoint


def from_json(data: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint that `to_json` wrote. Raises ValueError or KeyError."""
    if data.get("format") != FORMAT:
        raise ValueError(f"checkpoint format {data.get('format')!r} is not supported")
    scan = data["scan"]
    return Checkpoint(
        lineage=Lineage(**data["lineage"]),
        generation=int(data["generation"]),
        version=int(data["version"]),
        watermark=data["watermark"],
        updated_at=data["updated_at"],
        retention_seconds=float(data.get("retention_seconds", RETENTION_SECONDS)),
        scan=ScanProgress(
            started_at=float(scan["started_at"]),
            ended_at=scan["ended_at"],
            segments=tuple(SegmentProgress(**segment) for segment in scan["segments"]),
            excluded=tuple(scan.get("excluded", ())),
        ),
        shards=shards_from_json(data["shards"]),
    )
