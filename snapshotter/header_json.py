"""The manifest's header as JSON: its shape, and the sanity that no digest proves.

Lists are compact, since a header is fetched before every decision: packs by name, segments as
`[index into "manifests", offset, frame digests, digest]`. Keys are made by `snapshotter.layout`,
never read. What can be computed (block count, a segment's first block and length) is compared or
not stored. Unknown members are refused: a new member is a new format version. Pure.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from cdc import checkpoint as checkpoints
from cdc.checkpoint import Checkpoint
from snapshotter import layout
from snapshotter.errors import Corrupt, FormatTooNew
from snapshotter.format import (
    BLOCK_LIMIT,
    PREFIX_BYTES,
    SEGMENT_ENTRIES,
    DigestAlgorithm,
    Header,
    PartMap,
    PartName,
    SegmentRef,
)

_Size = Annotated[int, Meta(ge=0, le=2**50)]
_Frames = Annotated[int, Meta(ge=0, le=SEGMENT_ENTRIES)]
_Text = Annotated[str, Meta(max_length=256)]
_HEX = re.compile(r"[0-9a-f]{64}")


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    name: PartName
    length: _Size
    block_size: Annotated[int, Meta(ge=512, le=BLOCK_LIMIT)]
    preamble: Annotated[int, Meta(ge=0, le=BLOCK_LIMIT)]
    block_count: _Size
    root: str
    segment_entries: Annotated[int, Meta(ge=1, le=SEGMENT_ENTRIES)]
    segments: list[tuple[_Size, _Size, _Frames, str]]


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    snapshot_id: _Text
    attempt_id: _Text
    dataset: _Text
    created_at: float
    checkpoint: dict[str, Any]
    resumable_until: float | None
    engine: _Text
    engine_version: _Text
    storage_version: _Text
    digest_algorithm: DigestAlgorithm
    row_count: _Size
    columns: str
    keys: str
    packs: list[_Text]
    manifests: list[_Text]
    parts: Annotated[list[_Part], Meta(min_length=1, max_length=2)]
    stored_bytes: _Size
    new_bytes: _Size
    producer: _Text
    full_id: _Text
    pack_bytes: list[_Size]
    encryption: None = None
    signature: _Text | UnsetType = UNSET


class _Encryption(msgspec.Struct):
    encryption: Any = None


# Made while the module is loaded, for the reason that `snapshotter.sealed` gives.
_HEADER = msgspec.json.Decoder(_Header)
_ENCRYPTION = msgspec.json.Decoder(_Encryption)


def block_count(length: int, block_size: int, preamble: int) -> int:
    """Blocks of a file, the preamble counted as one and a short last one too."""
    if length <= 0:
        return 0
    if not preamble:
        return -(-length // block_size)
    return 1 + max(0, -(-(length - preamble) // block_size))


def header_to_json(header: Header) -> bytes:
    """The header's text, without padding."""
    keys = {ref.key: None for part in header.parts for ref in part.segments}
    manifests = {key: index for index, key in enumerate(keys)}
    return msgspec.json.encode(
        _Header(
            snapshot_id=header.snapshot_id,
            attempt_id=header.attempt_id,
            dataset=header.dataset,
            created_at=header.created_at,
            checkpoint=checkpoints.to_json(header.checkpoint),
            resumable_until=header.resumable_until,
            engine=header.engine,
            engine_version=header.engine_version,
            storage_version=header.storage_version,
            digest_algorithm=header.digest_algorithm,
            row_count=header.row_count,
            columns=header.columns,
            keys=header.keys,
            packs=[key and layout.pack_of_key(header.dataset, key) for key in header.packs],
            manifests=[layout.manifest_snapshot(header.dataset, key) for key in manifests],
            parts=[_part_to_json(part, manifests) for part in header.parts],
            stored_bytes=header.stored_bytes,
            new_bytes=header.new_bytes,
            producer=header.producer,
            full_id=header.full_id,
            pack_bytes=list(header.pack_bytes),
        )
    )


def _part_to_json(part: PartMap, manifests: dict[str, int]) -> _Part:
    return _Part(
        name=part.name,
        length=part.length,
        block_size=part.block_size,
        preamble=part.preamble,
        block_count=part.block_count,
        root=part.root,
        segment_entries=part.segment_entries,
        segments=[
            (manifests[ref.key], ref.offset, ref.frames, ref.digest) for ref in part.segments
        ],
    )


def header_from_json(text: bytes, dataset: str, where: str) -> Header:
    """The header in `text`. Raises Corrupt, FormatTooNew; `where` begins the message."""
    try:
        if _ENCRYPTION.decode(text).encryption is not None:
            raise FormatTooNew(f"{where}: encrypted by its producer, in a way not known here")
        data = _HEADER.decode(text)
        if data.dataset != dataset:
            raise Corrupt(f"{where}: header of another dataset, {data.dataset!r}")
        own_key = layout.manifest_key(dataset, data.snapshot_id)
        first_segment = PREFIX_BYTES + len(text)
        manifests = [layout.manifest_key(dataset, one) for one in data.manifests]
        parts = tuple(_part_from_json(part, manifests) for part in data.parts)
        for ref in (ref for part in parts for ref in part.segments):
            if ref.offset < (first_segment if ref.key == own_key else PREFIX_BYTES):
                raise Corrupt(f"{where}: a segment lies inside a header")
        if [part.name for part in parts] != ["main", "tail"][: len(parts)]:
            raise Corrupt(f"{where}: parts are not main and tail")
        packs = tuple(name and layout.pack_key(dataset, name) for name in data.packs)
        if len(packs) != len(data.pack_bytes):
            raise Corrupt(f"{where}: {len(packs)} packs and {len(data.pack_bytes)} lengths")
        return _header(data, packs, parts, _checkpoint(data.checkpoint))
    except (msgspec.DecodeError, ValueError, IndexError) as error:
        raise Corrupt(f"{where}: {error}") from error


def _checkpoint(data: dict[str, Any]) -> Checkpoint:
    try:
        return checkpoints.from_json(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a checkpoint: {error!r}") from error


def _header(
    data: _Header, packs: tuple[str, ...], parts: tuple[PartMap, ...], checkpoint: Checkpoint
) -> Header:
    return Header(
        snapshot_id=data.snapshot_id,
        attempt_id=data.attempt_id,
        dataset=data.dataset,
        created_at=data.created_at,
        checkpoint=checkpoint,
        resumable_until=data.resumable_until,
        engine=data.engine,
        engine_version=data.engine_version,
        storage_version=data.storage_version,
        digest_algorithm=data.digest_algorithm,
        row_count=data.row_count,
        columns=data.columns,
        keys=data.keys,
        packs=packs,
        parts=parts,
        stored_bytes=data.stored_bytes,
        new_bytes=data.new_bytes,
        producer=data.producer,
        full_id=data.full_id,
        pack_bytes=tuple(data.pack_bytes),
    )


def _part_from_json(part: _Part, manifests: list[str]) -> PartMap:
    count = block_count(part.length, part.block_size, part.preamble)
    if part.block_count != count:
        raise ValueError(f"{part.name}: {part.block_count} blocks, its length makes {count}")
    if len(part.segments) != -(-count // part.segment_entries):
        raise ValueError(f"{part.name}: {len(part.segments)} segments for {count} blocks")
    digests = [part.root, *(text for *_, text in part.segments)]
    if not all(_HEX.fullmatch(text) for text in digests):
        raise ValueError(f"{part.name}: not a digest")
    segments = []
    for number, (manifest, offset, frames, text) in enumerate(part.segments):
        first = number * part.segment_entries
        entries = min(part.segment_entries, count - first)
        segments.append(SegmentRef(first, entries, manifests[manifest], offset, frames, text))
    return PartMap(
        name=part.name,
        length=part.length,
        block_size=part.block_size,
        preamble=part.preamble,
        block_count=count,
        root=part.root,
        segment_entries=part.segment_entries,
        segments=tuple(segments),
    )
