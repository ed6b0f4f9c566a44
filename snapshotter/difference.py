"""What lies between two snapshots, from their headers and maps; no byte of data is fetched.

    headers -> segments of the map whose digests differ -> entries, compared block by block

Blocks are compared by their digests, so content counts and not where it is stored. Parts whose
blocks mean different places (another block size, another digest) have nothing in common.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass

from cdc.checkpoint import Checkpoint
from cdc.columns import Column, Columns
from cdc.position import Position
from snapshotter import codec, reader
from snapshotter.format import DATA, HOLE_ENTRY, CatalogEntry, Header, MapEntry, PartMap
from snapshotter.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Blocks:
    """How many blocks differ. `unchanged` has those that neither file uses.

    `fetch_bytes`: stored bytes that whoever has the one needs for the other.
    """

    unchanged: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    fetch_bytes: int = 0

    def __add__(self, other: Blocks) -> Blocks:
        return Blocks(
            self.unchanged + other.unchanged,
            self.changed + other.changed,
            self.added + other.added,
            self.removed + other.removed,
            self.fetch_bytes + other.fetch_bytes,
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """From `old` to `new`; less is negative.

    `seconds`: between their watermarks, None where one has none. `shards_moved`: shards that were
    read on, begun or finished. `retyped`: name, type before, type after. `map_bytes`: what was read
    of the maps.
    """

    old: str
    new: str
    same_lineage: bool
    same_generation: bool
    versions: int
    seconds: float | None
    created_seconds: float
    shards_moved: int
    rows: int
    file_bytes: int
    stored_bytes: int
    blocks: Blocks
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_retyped: tuple[tuple[str, str, str], ...]
    keys_changed: bool
    map_bytes: int


def difference(store: ObjectStore, old: CatalogEntry, new: CatalogEntry) -> Difference:
    """Compare two snapshots of a catalog. Raises Corrupt, ObjectMissing and the store's errors."""
    before, after = reader.read_header(store, old), reader.read_header(store, new)
    blocks, map_bytes = _blocks(store, before, after)
    was, now = before.checkpoint, after.checkpoint
    known = was.watermark is not None and now.watermark is not None
    names = was.shards.keys() | now.shards.keys()
    added, removed, retyped = _columns(before, after)
    return Difference(
        old=old.snapshot_id,
        new=new.snapshot_id,
        same_lineage=was.lineage == now.lineage,
        same_generation=old.generation == new.generation,
        versions=now.version - was.version,
        seconds=(now.watermark or 0.0) - (was.watermark or 0.0) if known else None,
        created_seconds=after.created_at - before.created_at,
        shards_moved=sum(_position(was, name) != _position(now, name) for name in names),
        rows=after.row_count - before.row_count,
        file_bytes=after.file_bytes - before.file_bytes,
        stored_bytes=after.stored_bytes - before.stored_bytes,
        blocks=blocks,
        columns_added=added,
        columns_removed=removed,
        columns_retyped=retyped,
        keys_changed=json.loads(before.keys) != json.loads(after.keys),
        map_bytes=map_bytes,
    )


def _position(checkpoint: Checkpoint, name: str) -> Position | None:
    shard = checkpoint.shards.get(name)
    return None if shard is None else shard.position


def _columns(
    before: Header, after: Header
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, str, str], ...]]:
    was = {column.name: _type(column) for column in Columns.decode(before.columns)}
    now = {column.name: _type(column) for column in Columns.decode(after.columns)}
    retyped = ((name, was[name], now[name]) for name in was if name in now)
    return (
        tuple(name for name in now if name not in was),
        tuple(name for name in was if name not in now),
        tuple(each for each in retyped if each[1] != each[2]),
    )


def _blocks(store: ObjectStore, before: Header, after: Header) -> tuple[Blocks, int]:
    was = {part.name: part for part in before.parts}
    now = {part.name: part for part in after.parts}
    total, map_bytes = Blocks(), 0
    for name in was | now:
        old, new = _Side(store, before, was.get(name)), _Side(store, after, now.get(name))
        blocks, read = _part(old, new)
        total, map_bytes = total + blocks, map_bytes + read
    return total, map_bytes


@dataclass(frozen=True, slots=True)
class _Side:
    """A part of one of the two, or nothing."""

    store: ObjectStore
    header: Header
    part: PartMap | None

    @property
    def digests(self) -> list[str]:
        return [] if self.part is None else [ref.digest for ref in self.part.segments]

    @property
    def segment_entries(self) -> int:
        return 0 if self.part is None else self.part.segment_entries

    @property
    def block_count(self) -> int:
        return 0 if self.part is None else self.part.block_count

    def entries(self, segments: Iterable[int]) -> tuple[dict[int, MapEntry], int]:
        """Used blocks of these segments by number, and the bytes that were read for them."""
        if self.part is None:
            return {}, 0
        count = len(self.part.segments)
        refs = tuple(self.part.segments[at] for at in segments if at < count)
        found: dict[int, MapEntry] = {}
        read = reader.fetch_segments(self.store, self.header, refs)
        for ref, segment in zip(refs, read, strict=True):
            entries = codec.decode_segment(segment, ref, self.part, self.header)
            numbered = enumerate(entries, ref.first)
            found |= {number: entry for number, entry in numbered if entry.kind == DATA}
        return found, sum(ref.length for ref in refs)


def _part(old: _Side, new: _Side) -> tuple[Blocks, int]:
    if not _is_comparable(old, new):
        gone, read_old = old.entries(range(len(old.digests)))
        come, read_new = new.entries(range(len(new.digests)))
        fetched = _stored(come.values())
        return Blocks(added=len(come), removed=len(gone), fetch_bytes=fetched), read_old + read_new
    pairs = itertools.zip_longest(old.digests, new.digests)
    segments = [at for at, (one, other) in enumerate(pairs) if one != other]
    if old.segment_entries != new.segment_entries:  # cut anew: no segment has the same blocks
        segments = list(range(max(len(old.digests), len(new.digests))))
    was, read_old = old.entries(segments)
    now, read_new = new.entries(segments)
    changed = [n for n in now if n in was and now[n].digest != was[n].digest]
    added = [number for number in now if number not in was]
    removed = sum(number not in now for number in was)
    total = max(old.block_count, new.block_count)
    blocks = Blocks(
        unchanged=total - len(changed) - len(added) - removed,
        changed=len(changed),
        added=len(added),
        removed=removed,
        fetch_bytes=_stored(now.get(number, HOLE_ENTRY) for number in [*changed, *added]),
    )
    return blocks, read_old + read_new


def _is_comparable(old: _Side, new: _Side) -> bool:
    if old.part is None or new.part is None:
        return False
    shapes = ((side.part.block_size, side.part.preamble) for side in (old, new) if side.part)
    is_like = old.header.digest_algorithm == new.header.digest_algorithm
    return is_like and len(set(shapes)) == 1


def _stored(entries: Iterable[MapEntry]) -> int:
    """Bytes of the frames that hold these blocks, each counted once."""
    return sum({(each.pack, each.offset): each.stored for each in entries}.values())


def _type(column: Column) -> str:
    return f"decimal({column.scale})" if column.kind == "decimal" else column.kind
