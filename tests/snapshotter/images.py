"""Frozen images of plain bytes, for what does not depend on an engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from cdc.accelerator import FreezeBroken, FrozenImage, FrozenPart
from cdc.checkpoint import Checkpoint, Lineage, ScanProgress, SegmentProgress
from cdc.columns import Column, Columns
from cdc.keys import KeyAttribute, KeySchema
from cdc.position import After, Position
from cdc.shard_progress import ShardProgress

BLOCK = 4096
COLUMNS = Columns((Column("id", "text"), Column("price", "decimal", 2)))
KEYS = KeySchema(KeyAttribute("id", "S"))


@dataclass
class BytesPart:
    data: bytes
    name: Literal["main", "tail"] = "main"
    block_size: int = BLOCK
    preamble: int = 0
    used: frozenset[int] | None = None
    broken: bool = False

    def __post_init__(self) -> None:
        self.length = len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size]

    def verify_unchanged(self) -> None:
        if self.broken:
            raise FreezeBroken("headers changed")


def lineage(epoch: str = "20260801T000000Z-aaaa", table_id: str = "table-1") -> Lineage:
    return Lineage(
        "flights", table_id, f"arn:aws:dynamodb:us-east-1:1:table/flights/{epoch}", epoch
    )


def checkpoint(
    now: float,
    version: int = 1,
    *,
    of: Lineage | None = None,
    position: Position | None = None,
    created_at: float | None = None,
    finished: bool = True,
    **changes: Any,
) -> Checkpoint:
    """One shard, read up to record `version`, at its tip one second before `now`."""
    shard = ShardProgress(
        shard_id="shardId-00000001790000000000-aaaa",
        parent_id=None,
        position=position or After(f"{version:021d}"),
        created_at=now - 5 if created_at is None else created_at,
        tip_at=now - 1,
    )
    value = Checkpoint(
        lineage=of or lineage(),
        generation=1,
        version=version,
        scan=ScanProgress(
            now - 60, (SegmentProgress(done=finished, rows=7),), now - 30 if finished else None
        ),
        shards={shard.shard_id: shard},
        watermark=now - 5,
        updated_at=now,
    )
    return replace(value, **changes)


def image(
    main: bytes | BytesPart,
    at: Checkpoint,
    *,
    tail: bytes | BytesPart | None = None,
    row_count: int = 3,
) -> FrozenImage:
    parts: list[FrozenPart] = [main if isinstance(main, BytesPart) else BytesPart(main)]
    if tail is not None:
        parts.append(tail if isinstance(tail, BytesPart) else BytesPart(tail, "tail"))
    return FrozenImage(
        engine="duckdb",
        engine_version="2.0.0",
        storage_version="v1.5.0",
        checkpoint=at,
        columns=COLUMNS,
        keys=KEYS,
        row_count=row_count,
        parts=tuple(parts),
    )
