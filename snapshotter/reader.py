"""Reading what lies in the bucket, in the order of trust; shared by restorer and the CLI's verbs.

    bucket identity -> pointer -> header -> map segments -> (root) -> blocks, by who restores

Every function returns values that were checked, or raises Corrupt, FormatTooNew, ObjectMissing or
the store's own errors. Signatures, and what was seen before, are checked where the store carries a
trust (`snapshotter.trust`). Nothing here decides what to do about them.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from snapshotter import codec, layout, seal, sealed
from snapshotter.digest import root
from snapshotter.errors import Corrupt, IdentityMissing, ObjectMissing
from snapshotter.format import (
    POINTER_LIMIT,
    PREFIX_BYTES,
    CatalogEntry,
    Header,
    MapEntry,
    PartMap,
    Pointer,
    Segment,
    SegmentRef,
)
from snapshotter.signature import signer_of
from snapshotter.store import ObjectStore, StoredObject
from snapshotter.trust import Trust, trust_of

# One ranged read holds up to 146 segments, 8 MiB.
_RUN_BYTES = 8 * 1024 * 1024
_THREADS = 4


@dataclass(frozen=True, slots=True)
class StoredPointer:
    """A pointer and the tag with which it can be replaced.

    `signed_by`: id of the key that claims to have signed it, which trusted keys have checked.
    """

    pointer: Pointer
    etag: str
    signed_by: str | None = None


def read_bucket_id(store: ObjectStore, dataset: str) -> str:
    """The random identity of bucket and prefix. Raises ObjectMissing if nobody ever published."""
    stored = store.get(layout.bucket_key(dataset), max_bytes=sealed.BUCKET_LIMIT)
    bucket_id = sealed.decode_bucket(stored.data, dataset)
    trust_of(store).note_bucket(dataset, bucket_id)
    return bucket_id


def read_pointer(store: ObjectStore, dataset: str) -> Pointer:
    """The pointer, after the bucket's identity. Raises ObjectMissing if nobody ever published."""
    return read_stored_pointer(store, dataset).pointer


def read_stored_pointer(store: ObjectStore, dataset: str) -> StoredPointer:
    """Like `read_pointer`, with the etag that a replacement needs.

    Raises Untrusted or SetBack where the store's trust says so.
    """
    trust = trust_of(store)
    before = trust.seen_so_far()
    stored = _stored_pointer(store, dataset, trust)
    trust.check_new(before, stored.pointer)
    return stored


def read_newer_pointer(store: ObjectStore, dataset: str, etag: str) -> StoredPointer | None:
    """As `read_stored_pointer`; None, for one small request, if it still has this etag."""
    trust = trust_of(store)
    before = trust.seen_so_far()
    given = store.get_changed(layout.pointer_key(dataset), etag, max_bytes=POINTER_LIMIT)
    if given is None:
        return None
    stored = _stored_pointer(store, dataset, trust, given)
    trust.check_new(before, stored.pointer)
    return stored


def _stored_pointer(
    store: ObjectStore, dataset: str, trust: Trust, given: StoredObject | None = None
) -> StoredPointer:
    try:
        bucket_id = read_bucket_id(store, dataset)
    except ObjectMissing:
        if store.head(layout.pointer_key(dataset)) is None:
            raise
        raise IdentityMissing(
            f"{layout.bucket_key(dataset)} is missing beside a pointer in {store.url}"
        ) from None
    stored = given or store.get(layout.pointer_key(dataset), max_bytes=POINTER_LIMIT)
    pointer = sealed.decode_pointer(stored.data, dataset)
    if pointer.bucket_id != bucket_id:
        raise Corrupt(
            f"{layout.pointer_key(dataset)} belongs to another bucket than {store.url}",
            hint="it was copied from elsewhere or the bucket was emptied; copy bucket.json too",
        )
    body, where = seal.signable(stored.data), layout.pointer_key(dataset)
    trust.check_signed("pointer", dataset, body, where)
    return StoredPointer(pointer, stored.etag, signer_of(body))


def read_catalog(store: ObjectStore, pointer: Pointer) -> Iterator[CatalogEntry]:
    """Every snapshot that the pointer leads to, newest first, older pages as they are needed."""
    yield from pointer.catalog
    older, seen = pointer.older, set[str]()
    while older is not None:
        if older in seen:
            raise Corrupt(f"{older}: pages of the catalog form a ring")
        seen.add(older)
        entries, older = read_page(store, pointer.dataset, older)
        yield from entries


def read_page(
    store: ObjectStore, dataset: str, key: str
) -> tuple[tuple[CatalogEntry, ...], str | None]:
    """Entries of a page of the catalog, and the key of the next."""
    stored = store.get(key, max_bytes=POINTER_LIMIT)
    page = sealed.decode_page(stored.data, dataset, key)
    _known_bucket(store, dataset)
    body, name = seal.signable(stored.data), layout.page_of_key(dataset, key)
    trust_of(store).check_signed("page", dataset, body, key, name=name)
    return page


def read_header(store: ObjectStore, entry: CatalogEntry) -> Header:
    """The manifest's header, checked against the pointer's entry."""
    data = store.get_range(entry.manifest, 0, PREFIX_BYTES + entry.header_length)
    return checked_header(store, entry, data)


def checked_header(store: ObjectStore, entry: CatalogEntry, data: bytes) -> Header:
    """The header in the first bytes of the entry's manifest."""
    dataset = entry.manifest.partition("/")[0]
    header = codec.decode_header(data, entry, dataset)
    _known_bucket(store, dataset)
    trust_of(store).check_signed("header", dataset, data, f"manifest of {entry.snapshot_id}")
    return header


def _known_bucket(store: ObjectStore, dataset: str) -> None:
    """Where signatures are checked, read the bucket's identity unless that was done before."""
    if not trust_of(store).knows_bucket(dataset):
        read_bucket_id(store, dataset)


def read_segments(store: ObjectStore, header: Header, part: PartMap) -> list[Segment]:
    """The part's map segments, each checked by its digest, and all by the part's root."""
    return check_root(header, part, fetch_segments(store, header, part.segments))


def check_root(header: Header, part: PartMap, segments: list[Segment]) -> list[Segment]:
    """The part's segments themselves if they are those of its root. Raises Corrupt."""
    if root((segment.entries for segment in segments), header.digest_algorithm) != part.root:
        raise Corrupt(f"manifest of {header.snapshot_id}: {part.name} does not match its root")
    return segments


def fetch_segments(
    store: ObjectStore, header: Header, refs: tuple[SegmentRef, ...]
) -> list[Segment]:
    """These segments of the header's map, each checked by its digest."""
    runs = list(_runs(refs))

    def fetch(run: tuple[SegmentRef, ...]) -> list[Segment]:
        size = sum(ref.length for ref in run)
        data = store.get_range(run[0].key, run[0].offset, size)
        cut = [ref.offset - run[0].offset for ref in run]
        return [
            codec.check_segment(data[at : at + ref.length], ref, header.digest_algorithm)
            for at, ref in zip(cut, run, strict=True)
        ]

    if len(runs) < 2:
        return [segment for run in runs for segment in fetch(run)]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="map") as pool:
        return [segment for run in pool.map(fetch, runs) for segment in run]


def read_entries(store: ObjectStore, header: Header, part: PartMap) -> Iterator[list[MapEntry]]:
    """The part's map, one checked segment after the other in block order."""
    for ref, segment in zip(part.segments, read_segments(store, header, part), strict=True):
        yield codec.decode_segment(segment, ref, part, header)


def _runs(refs: tuple[SegmentRef, ...]) -> Iterator[tuple[SegmentRef, ...]]:
    """References that lie one behind the other in one object, up to 8 MiB together."""
    run: list[SegmentRef] = []
    start = end = 0
    for ref in refs:
        stop = ref.offset + ref.length
        follows = bool(run) and ref.key == run[0].key and ref.offset == end
        if run and not (follows and stop - start <= _RUN_BYTES):
            yield tuple(run)
            run = []
        if not run:
            start = ref.offset
        run.append(ref)
        end = stop
    if run:
        yield tuple(run)
