"""The JSON objects of a dataset, each with its own digest: pointer, bucket identity, catalog page.

    {"blake3":"<64 hex>","format":1, … }        or "sha256"

The digest is over every byte behind the first comma. Nothing above these objects vouches for them,
so a damaged byte has to show in themselves. The first 77 bytes and the member `format` stay the
same in every version, so that a reader can say "too new" and not only "broken". Checked in this
order: length · seal · JSON · format · shape · sanity. Pure.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from snapshotter import layout
from snapshotter.errors import Corrupt
from snapshotter.format import (
    CATALOG_LIMIT,
    CONDEMNED_LIMIT,
    FORK_LIMIT,
    FORMAT_VERSION,
    HEADER_LIMIT,
    POINTER_LIMIT,
    ROLLBACK_LIMIT,
    CatalogEntry,
    Condemned,
    DigestAlgorithm,
    Fork,
    Pointer,
    Rollback,
    Verified,
)
from snapshotter.seal import seal, unseal

BUCKET_LIMIT = 4096

_Count = Annotated[int, Meta(ge=0, le=2**62)]
_Text = Annotated[str, Meta(max_length=256)]


class _Bucket(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    dataset: _Text
    bucket_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    snapshot_id: _Text
    header_length: Annotated[int, Meta(ge=1, le=HEADER_LIMIT)]
    header_digest: Annotated[str, Meta(pattern="^(blake3|sha256):[0-9a-f]{64}$")]
    lineage_id: _Text
    generation: _Count
    version: _Count
    created_at: float
    watermark: float | None
    resumable_until: float | None
    engine: _Text
    storage_version: _Text
    row_count: _Count
    file_bytes: _Count
    stored_bytes: _Count
    new_bytes: _Count
    full_id: _Text
    proven_at: float | None = None
    quarantined: Annotated[str, Meta(max_length=4096)] | None = None
    pinned: Annotated[str, Meta(max_length=4096)] | None = None
    verified: Verified | None = None
    content_digest: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")] | None = None


class _Pointer(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    bucket_id: _Text
    dataset: _Text
    generation: _Count
    holder: _Text
    attempt_id: _Text
    lineage_id: _Text | None
    current: _Text | None
    catalog: Annotated[list[_Entry], Meta(max_length=CATALOG_LIMIT)]
    forks: Annotated[list[tuple[_Count, _Count]], Meta(max_length=FORK_LIMIT)]
    heartbeat_at: float
    bootstrap_progress: Annotated[float, Meta(ge=0, le=1)] | None = None
    hold: Annotated[str, Meta(max_length=4096)] | None = None
    condemned: Annotated[list[tuple[_Text, float]], Meta(max_length=CONDEMNED_LIMIT)] = []
    older: _Text | None = None
    rollbacks: Annotated[list[tuple[_Count, _Text, _Count]], Meta(max_length=ROLLBACK_LIMIT)] = []
    shrink_from: _Text | None = None
    sequence: _Count = 0
    signature: _Text | UnsetType = UNSET


class _Page(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    dataset: _Text
    catalog: Annotated[list[_Entry], Meta(max_length=CATALOG_LIMIT)]
    older: _Text | None = None
    signature: _Text | UnsetType = UNSET


# Made while the module is loaded: msgspec lays a type out at its first use, and two threads that do
# so at once end the process.
_BUCKET = msgspec.json.Decoder(_Bucket)
_POINTER = msgspec.json.Decoder(_Pointer)
_PAGE = msgspec.json.Decoder(_Page)


def encode_bucket(dataset: str, bucket_id: str, algorithm: DigestAlgorithm = "blake3") -> bytes:
    """`bucket.json`; `bucket_id` is 32 random hex characters."""
    return seal(_Bucket(FORMAT_VERSION, dataset, bucket_id), algorithm)


def decode_bucket(data: bytes, dataset: str) -> str:
    """The bucket's identity. Raises Corrupt or FormatTooNew."""
    where = layout.bucket_key(dataset)
    bucket = unseal(data, _BUCKET, where, limit=BUCKET_LIMIT)
    if bucket.dataset != dataset:
        raise Corrupt(f"{where}: written for dataset {bucket.dataset!r}")
    return bucket.bucket_id


def encode_pointer(pointer: Pointer, algorithm: DigestAlgorithm = "blake3") -> bytes:
    """`head.json`. Raises ValueError beyond the limits that readers keep."""
    data = seal(
        _Pointer(
            format=FORMAT_VERSION,
            bucket_id=pointer.bucket_id,
            dataset=pointer.dataset,
            generation=pointer.generation,
            holder=pointer.holder,
            attempt_id=pointer.attempt_id,
            lineage_id=pointer.lineage_id,
            current=pointer.current,
            catalog=[_entry_to_json(entry) for entry in pointer.catalog],
            forks=[(fork.generation, fork.forked_at_version) for fork in pointer.forks],
            heartbeat_at=pointer.heartbeat_at,
            bootstrap_progress=pointer.bootstrap_progress,
            hold=pointer.hold,
            condemned=[
                (layout.name_of_key(pointer.dataset, each.key), each.since)
                for each in pointer.condemned
            ],
            older=pointer.older and layout.page_of_key(pointer.dataset, pointer.older),
            rollbacks=[(r.generation, r.lineage_id, r.version) for r in pointer.rollbacks],
            shrink_from=pointer.shrink_from,
            sequence=pointer.sequence,
        ),
        algorithm,
    )
    if len(data) > POINTER_LIMIT or len(pointer.catalog) > CATALOG_LIMIT:
        raise ValueError(f"a pointer of {len(data)} bytes is over the limits")
    return data


def decode_pointer(data: bytes, dataset: str) -> Pointer:
    """The pointer in `head.json`. Raises Corrupt or FormatTooNew."""
    where = layout.pointer_key(dataset)
    raw = unseal(data, _POINTER, where)
    if raw.dataset != dataset:
        raise Corrupt(f"{where}: written for dataset {raw.dataset!r}")
    try:
        pointer = Pointer(
            bucket_id=raw.bucket_id,
            dataset=raw.dataset,
            generation=raw.generation,
            holder=raw.holder,
            attempt_id=raw.attempt_id,
            lineage_id=raw.lineage_id,
            current=raw.current,
            catalog=tuple(_entry_from_json(dataset, entry) for entry in raw.catalog),
            forks=tuple(Fork(*fork) for fork in raw.forks),
            heartbeat_at=raw.heartbeat_at,
            bootstrap_progress=raw.bootstrap_progress,
            hold=raw.hold,
            condemned=tuple(
                Condemned(layout.key_of_name(dataset, name), since) for name, since in raw.condemned
            ),
            older=None if raw.older is None else layout.page_key(dataset, raw.older),
            rollbacks=tuple(Rollback(*each) for each in raw.rollbacks),
            shrink_from=raw.shrink_from,
            sequence=raw.sequence,
        )
    except ValueError as error:
        raise Corrupt(f"{where}: {error}") from error
    _check_sane(pointer, where)
    return pointer


def _check_sane(pointer: Pointer, where: str) -> None:
    if pointer.current is not None and pointer.entry(pointer.current) is None:
        raise Corrupt(f"{where}: the current snapshot is not in the catalog")
    ids = [entry.snapshot_id for entry in pointer.catalog]
    if len(set(ids)) != len(ids):
        raise Corrupt(f"{where}: a snapshot is listed twice")
    if any(entry.generation > pointer.generation for entry in pointer.catalog):
        raise Corrupt(f"{where}: lists a snapshot of a generation that does not exist yet")
    generations = [fork.generation for fork in pointer.forks]
    if generations != sorted(set(generations)) or generations[-1:] != [pointer.generation]:
        raise Corrupt(f"{where}: fork history does not lead to the generation")
    went_back = [rollback.generation for rollback in pointer.rollbacks]
    if went_back != sorted(set(went_back)) or went_back[-1:] > [pointer.generation]:
        raise Corrupt(f"{where}: rollbacks are not in the order of generations")


def encode_page(
    dataset: str,
    entries: tuple[CatalogEntry, ...],
    older: str | None,
    algorithm: DigestAlgorithm = "blake3",
) -> bytes:
    """A page of older catalog entries, newest first; `older` is the next page's key."""
    name = older and layout.page_of_key(dataset, older)
    page = _Page(FORMAT_VERSION, dataset, [_entry_to_json(entry) for entry in entries], name)
    return seal(page, algorithm)


def decode_page(
    data: bytes, dataset: str, where: str
) -> tuple[tuple[CatalogEntry, ...], str | None]:
    """Entries of a page and the key of the next. Raises Corrupt or FormatTooNew."""
    page = unseal(data, _PAGE, where)
    if page.dataset != dataset:
        raise Corrupt(f"{where}: written for dataset {page.dataset!r}")
    try:
        entries = tuple(_entry_from_json(dataset, entry) for entry in page.catalog)
        return entries, None if page.older is None else layout.page_key(dataset, page.older)
    except ValueError as error:
        raise Corrupt(f"{where}: {error}") from error


_ENTRY_FIELDS = tuple(field.name for field in msgspec.structs.fields(_Entry))


def _entry_to_json(entry: CatalogEntry) -> _Entry:
    return _Entry(**{name: getattr(entry, name) for name in _ENTRY_FIELDS})


def _entry_from_json(dataset: str, raw: _Entry) -> CatalogEntry:
    parsed = layout.SnapshotId.parse(raw.snapshot_id)
    if (parsed.generation, parsed.version) != (raw.generation, raw.version):
        raise ValueError(f"{raw.snapshot_id} is listed with another generation or version")
    layout.SnapshotId.parse(raw.full_id)
    fields = {name: getattr(raw, name) for name in _ENTRY_FIELDS}
    return CatalogEntry(manifest=layout.manifest_key(dataset, raw.snapshot_id), **fields)
