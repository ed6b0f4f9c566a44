"""Bytes to values: what was written comes back, and everything else has a name."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snapshotter import codec, seal, sealed
from snapshotter.digest import digest, matches, tagged
from snapshotter.errors import Corrupt, FormatTooNew
from snapshotter.format import (
    DATA,
    HEADER_LIMIT,
    HOLE_ENTRY,
    PREFIX_BYTES,
    ZSTD,
    CatalogEntry,
    Condemned,
    Fork,
    Header,
    MapEntry,
    PartMap,
    Pointer,
    Rollback,
    SegmentRef,
)
from snapshotter.layout import manifest_key, pack_key, page_key
from snapshotter.runs import runs
from snapshotter.signature import Subject, TrustedKeys
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.map_entries import packed
from tests.snapshotter.signing import ANNA

ID = "000001-000000000001-20260101T000000000Z"
CONDEMNED = (
    manifest_key(DATASET, ID),
    pack_key(DATASET, f"{ID}-00003"),
    page_key(DATASET, f"{ID}-0123abcd"),
)


@pytest.fixture
def published(tmp_path: Path) -> Bucket:
    bucket = Bucket.at(tmp_path / "bucket")
    main = bytes(range(256)) * 64 + b"end"
    bucket.publish(bucket.publisher(), main, tail=b"log" * 100)
    return bucket


def head_of(bucket: Bucket) -> tuple[bytes, CatalogEntry]:
    entry = bucket.pointer().catalog[0]
    data = bucket.file(entry.manifest).read_bytes()
    return data[: PREFIX_BYTES + entry.header_length], entry


def resealed(head: bytes, entry: CatalogEntry) -> tuple[bytes, CatalogEntry]:
    """The head with an entry that vouches for it, as a producer with a bug would write it."""
    length = len(head) - PREFIX_BYTES
    return head, replace(entry, header_length=length, header_digest=tagged(head, "blake3"))


def with_json(head: bytes, old: bytes, new: bytes) -> bytes:
    assert head.count(old) == 1
    return head.replace(old, new).rstrip().ljust(len(head))[: len(head)]


# ---------------------------------------------------------------- pointer


def pointer(**changes: Any) -> Pointer:
    value = Pointer(
        bucket_id="b" * 32,
        dataset=DATASET,
        generation=2,
        holder="node-1",
        attempt_id="a" * 16,
        lineage_id=None,
        current=None,
        catalog=(),
        forks=(Fork(1, 0), Fork(2, 40)),
        heartbeat_at=1.5,
    )
    return replace(value, **changes)


def test_a_pointer_comes_back_as_it_was(published: Bucket) -> None:
    before = published.pointer()
    full = replace(
        before,
        bootstrap_progress=0.25,
        hold="looks odd",
        condemned=tuple(Condemned(key, 2.5) for key in CONDEMNED),
        catalog=tuple(replace(entry, pinned="the audit") for entry in before.catalog),
        rollbacks=(Rollback(1, "lineage", 7),),
        shrink_from=before.current,
    )

    assert sealed.decode_pointer(sealed.encode_pointer(full), DATASET) == full
    assert sealed.decode_pointer(sealed.encode_pointer(full, "sha256"), DATASET) == full


def test_a_pointer_is_plain_json() -> None:
    assert sealed.encode_pointer(pointer()).startswith(b'{"blake3":"')


def test_every_flipped_byte_of_a_pointer_is_refused() -> None:
    data = sealed.encode_pointer(pointer())

    for at in range(len(data)):
        for mask in (0x01, 0x20, 0x80):
            damaged = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
            with pytest.raises(Corrupt):
                sealed.decode_pointer(damaged, DATASET)


def test_every_cut_pointer_is_refused() -> None:
    data = sealed.encode_pointer(pointer())

    for size in range(len(data)):
        with pytest.raises(Corrupt):
            sealed.decode_pointer(data[:size], DATASET)


def test_a_pointer_of_a_newer_format_is_named_as_such() -> None:
    newer = seal.seal({"format": 2, "what": "nobody knows"}, "blake3")

    with pytest.raises(FormatTooNew, match=r"flights/head\.json: format 2, this reader knows 1"):
        sealed.decode_pointer(newer, DATASET)


def test_a_pointer_of_another_dataset_is_refused() -> None:
    with pytest.raises(Corrupt, match="written for dataset 'flights'"):
        sealed.decode_pointer(sealed.encode_pointer(pointer()), "other")


@pytest.mark.parametrize(
    "changes, what",
    [
        ({"current": "nobody"}, "not in the catalog"),
        ({"forks": (Fork(1, 0),)}, "fork history"),
        ({"forks": (Fork(2, 0), Fork(2, 1))}, "fork history"),
        ({"bootstrap_progress": 2.0}, "bootstrap_progress"),
    ],
)
def test_a_sealed_pointer_that_makes_no_sense_is_refused(
    changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(Corrupt, match=what):
        sealed.decode_pointer(sealed.encode_pointer(pointer(**changes)), DATASET)


def test_a_snapshot_listed_twice_is_refused(published: Bucket) -> None:
    good = published.pointer()

    with pytest.raises(Corrupt, match="listed twice"):
        sealed.decode_pointer(
            sealed.encode_pointer(replace(good, catalog=good.catalog * 2)), DATASET
        )


def test_an_unknown_member_of_the_pointer_is_refused() -> None:
    data = sealed.encode_pointer(pointer())
    known = data[78:]

    with pytest.raises(Corrupt, match="unknown field"):
        sealed.decode_pointer(_sealed_text(b'"surprise":1,"' + known), DATASET)


def test_a_catalog_entry_that_contradicts_its_id_is_refused(published: Bucket) -> None:
    good = published.pointer()
    entry = replace(good.catalog[0], version=99)

    with pytest.raises(Corrupt, match="another generation or version"):
        sealed.decode_pointer(sealed.encode_pointer(replace(good, catalog=(entry,))), DATASET)


def test_a_catalog_entry_cannot_lead_out_of_the_dataset(published: Bucket) -> None:
    good = published.pointer()
    snapshot_id = good.catalog[0].snapshot_id
    text = sealed.encode_pointer(good)[77:].replace(snapshot_id.encode(), b"../../etc/passwd")

    with pytest.raises(Corrupt, match="not a snapshot id"):
        sealed.decode_pointer(_sealed_text(text), DATASET)


def _sealed_text(rest: bytes) -> bytes:
    return b'{"blake3":"%b",%b' % (digest(rest, "blake3").hex().encode(), rest)


# ---------------------------------------------------------------- header


def test_a_header_comes_back_as_it_was(published: Bucket) -> None:
    header = published.header()
    head, entry = head_of(published)
    encoded = codec.encode_manifest(_as_assembled(header, PREFIX_BYTES + entry.header_length), ())

    assert encoded.header == header
    assert encoded.data == head


def _as_assembled(header: Header, base: int) -> Header:
    """Offsets counted from the first segment, as they are before the header's length is known."""

    def moved(part: PartMap) -> PartMap:
        refs = tuple(replace(ref, offset=ref.offset - base) for ref in part.segments)
        return replace(part, segments=refs)

    return replace(header, new_bytes=header.new_bytes - base, parts=tuple(map(moved, header.parts)))


def test_every_flipped_byte_of_a_header_is_refused(published: Bucket) -> None:
    head, entry = head_of(published)

    for at in range(len(head)):
        damaged = head[:at] + bytes([head[at] ^ 0x10]) + head[at + 1 :]
        with pytest.raises(Corrupt, match="does not match the digest in the pointer"):
            codec.decode_header(damaged, entry, DATASET)


def test_a_header_of_another_length_is_refused(published: Bucket) -> None:
    head, entry = head_of(published)

    for other in (head[:-1], head + b" ", b""):
        with pytest.raises(Corrupt, match="expected 16"):
            codec.decode_header(other, entry, DATASET)


def test_a_header_over_the_limit_is_refused_before_it_is_looked_at(published: Bucket) -> None:
    head, entry = head_of(published)

    with pytest.raises(Corrupt, match="expected 16"):
        codec.decode_header(head, replace(entry, header_length=HEADER_LIMIT + 1), DATASET)


@pytest.mark.parametrize(
    "offset, value, error, what",
    [
        (0, b"SNOWMAN!", Corrupt, "not a manifest"),
        (8, struct.pack("<H", 2), FormatTooNew, "format 2, this reader knows 1"),
        (8, struct.pack("<H", 0), Corrupt, "version 0"),
        (10, struct.pack("<H", 1), Corrupt, "reserved 1"),
        (12, struct.pack("<I", 7), Corrupt, "length 7"),
    ],
)
def test_a_vouched_prefix_is_still_checked(
    published: Bucket, offset: int, value: bytes, error: type[Exception], what: str
) -> None:
    head, entry = head_of(published)
    changed = head[:offset] + value + head[offset + len(value) :]

    with pytest.raises(error, match=what):
        codec.decode_header(*resealed(changed, entry), DATASET)


@pytest.mark.parametrize(
    "old, new, what",
    [
        (b'"dataset":"flights"', b'"dataset":"flightz"', "another dataset"),
        (b'"block_count":5', b'"block_count":6', "6 blocks, its length makes 5"),
        (b'"length":16387', b'"length":26387', "blocks, its length makes"),
        (b'"length":16387', b'"length":-6387', ">= 0"),
        (b'"name":"tail"', b'"name":"main"', "parts are not main and tail"),
        (b'"digest_algorithm":"blake3"', b'"digest_algorithm":"md5md5"', "Invalid enum"),
        (b'"row_count":3', b'"row_count":"3"', "Expected `int`"),
        (b'"row_count":3', b'"row_count":4', "row_count differs from the pointer's"),
        (b'"engine":"duckdb"', b'"engine":"sqlite"', "engine differs from the pointer's"),
        (b'"producer":"snowmelt"', b'"surprise":"snowmelt"', "unknown field"),
        (b'"version":1,"watermark"', b'"version":2,"watermark"', "another lineage or version"),
        (b'{"format":1,"lineage"', b'{"format":9,"lineage"', "checkpoint format 9"),
        (b'"generation":1', b'"generation":7', "did not exist yet"),
        (b'"shards":{', b'"shardz":{', "not a checkpoint"),
        (b'"packs":["', b'"packs":["../', "not a pack name"),
        (b'"manifests":["', b'"manifests":["/', "not a snapshot id"),
        (
            b'"segment_entries":64,"segments":[[0,2',
            b'"segment_entries":64,"segments":[[1,2',
            "range",
        ),
    ],
)
def test_a_vouched_header_that_makes_no_sense_is_refused(
    published: Bucket, old: bytes, new: bytes, what: str
) -> None:
    head, entry = head_of(published)
    if head.count(old) == 2:  # both parts say so: change the first
        changed = head.replace(old, new, 1)[: len(head)]
    else:
        changed = with_json(head, old, new)

    with pytest.raises(Corrupt, match=what):
        codec.decode_header(*resealed(changed, entry), DATASET)


def test_a_header_without_json_is_refused(published: Bucket) -> None:
    head, entry = head_of(published)

    with pytest.raises(Corrupt, match="manifest of"):
        codec.decode_header(
            *resealed(head[:PREFIX_BYTES] + b"[" * entry.header_length, entry), DATASET
        )


@pytest.mark.parametrize("value", ['"aes-256-gcm"', '{"key":"a"}', "0"])
def test_a_header_that_is_encrypted_in_a_way_to_come_is_too_new(
    published: Bucket, value: str
) -> None:
    head, entry = head_of(published)
    # Whatever else such a header has: what it is wins over what is unknown in it.
    new = b'"encryption":%b,"nonces":[]' % value.encode()

    with pytest.raises(FormatTooNew, match="encrypted by its producer"):
        codec.decode_header(*resealed(with_json(head, b'"encryption":null', new), entry), DATASET)


def test_the_padding_leaves_room_for_a_signature_wherever_the_header_ends(
    published: Bucket,
) -> None:
    subject = Subject("header", DATASET, "0" * 32)
    sign, trusted = ANNA.signer.sign(subject), TrustedKeys.of([ANNA.public])
    for length in range(0, 520, 3):
        encoded = codec.encode_manifest(replace(published.header(), keys="k" * length), (), sign)
        head = encoded.data[: PREFIX_BYTES + encoded.header_length]

        trusted.check(subject, head, "here")
        assert matches(head, encoded.header_digest)
        assert json.loads(head[PREFIX_BYTES:])["keys"] == "k" * length


def test_a_header_too_large_to_be_read_is_not_written(published: Bucket) -> None:
    with pytest.raises(ValueError, match="over the limit"):
        codec.encode_manifest(replace(published.header(), columns="x" * HEADER_LIMIT), ())


# ---------------------------------------------------------------- segments


def segment(*entries: MapEntry) -> tuple[bytes, SegmentRef]:
    """Encoded, with a digest for each frame that may need one, and what a header says of it."""
    frames = {(entry.pack, entry.offset): FRAME for entry in entries}
    encoded = packed(entries)
    made = codec.encode_segment(encoded, runs(encoded), frames, {})
    data, count = b"".join(made), len(made.frame_digests) // 32
    return data, SegmentRef(0, len(entries), "flights/x", 0, count, digest(data, "blake3").hex())


def decoded(data: bytes, ref: SegmentRef, part: PartMap, header: Header) -> list[MapEntry]:
    return codec.decode_segment(codec.check_segment(data, ref, "blake3"), ref, part, header)


def first_part(header: Header, **changes: Any) -> Any:
    return replace(header.parts[0], **changes)


FRAME = b"f" * 32
GOOD = MapEntry(DATA, ZSTD, 1, 0, 100, 500, 4096 * 2, b"d" * 32)


def test_entries_come_back_as_they_were(published: Bucket) -> None:
    header = published.header()
    data, ref = segment(HOLE_ENTRY, GOOD)

    assert decoded(data, ref, header.parts[0], header) == [HOLE_ENTRY, GOOD]
    assert len(data) == 2 * 56


def test_every_flipped_byte_of_a_segment_is_refused(published: Bucket) -> None:
    header = published.header()
    data, ref = segment(HOLE_ENTRY, GOOD._replace(slot=0), GOOD)
    assert len(data) == 3 * 56 + 32

    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 0x04]) + data[at + 1 :]
        with pytest.raises(Corrupt, match="does not match its digest"):
            decoded(damaged, ref, header.parts[0], header)


def test_frames_of_several_blocks_have_a_digest_in_the_order_of_their_first_block() -> None:
    first, second = GOOD._replace(offset=9000), GOOD._replace(offset=10)
    entries = [first._replace(slot=0), second._replace(slot=0), first, HOLE_ENTRY, second]
    alone = GOOD._replace(offset=500)

    every = packed([*entries, alone])
    made = codec.encode_segment(
        every, runs(every), {(0, 10): b"2" * 32, (0, 9000): b"1" * 32}, {(0, 10): b"3" * 32}
    )

    assert made.frame_digests == b"1" * 32 + b"2" * 32
    found = codec.frame_digests(made, runs(made.entries))
    assert found == {(0, 9000): b"1" * 32, (0, 10): b"2" * 32}
    assert codec.unpack_entries(made.entries) == [*entries, alone]


@pytest.mark.parametrize("frames", [0, 2])
def test_a_segment_with_another_number_of_frame_digests_is_refused(
    published: Bucket, frames: int
) -> None:
    header = published.header()
    data, _ = segment(GOOD._replace(slot=0), GOOD)
    cut = data[: 2 * 56] + FRAME * frames
    ref = SegmentRef(0, 2, "flights/x", 0, frames, digest(cut, "blake3").hex())

    with pytest.raises(Corrupt, match=f"{frames} frame digests for 1 frames"):
        decoded(cut, ref, header.parts[0], header)


@pytest.mark.parametrize("codec_number", [2, 3])
def test_a_block_that_is_encrypted_in_a_way_to_come_is_too_new(
    published: Bucket, codec_number: int
) -> None:
    header = published.header()
    data, ref = segment(GOOD._replace(codec=codec_number))

    with pytest.raises(FormatTooNew, match="is encrypted"):
        decoded(data, ref, header.parts[0], header)


@pytest.mark.parametrize(
    "changes, what",
    [
        ({"kind": 2}, "neither data nor a clean hole"),
        ({"kind": 0}, "neither data nor a clean hole"),
        ({"codec": 4}, "unknown codec"),
        ({"codec": 0}, "unknown codec"),
        ({"pack": 1}, "no such pack"),
        ({"stored": 0}, "impossible size"),
        ({"stored": 9000}, "impossible size"),
        ({"raw": 2**31}, "impossible size"),
        ({"offset": 2**40}, "behind the end of any pack"),
        ({"slot": 2}, "outside of its frame"),
    ],
)
def test_a_vouched_entry_that_makes_no_sense_is_refused(
    published: Bucket, changes: dict[str, Any], what: str
) -> None:
    header = published.header()
    data, ref = segment(GOOD._replace(**changes))

    with pytest.raises(Corrupt, match=what):
        decoded(data, ref, header.parts[0], header)


def test_an_entry_of_an_empty_place_in_the_list_of_packs_is_refused(published: Bucket) -> None:
    header = replace(published.header(), packs=("",))
    data, ref = segment(GOOD)

    with pytest.raises(Corrupt, match="no such pack"):
        decoded(data, ref, header.parts[0], header)


def test_the_preamble_cannot_be_inside_of_a_frame(published: Bucket) -> None:
    header = published.header()
    data, ref = segment(GOOD)

    with pytest.raises(Corrupt, match="outside of its frame"):
        decoded(data, ref, first_part(header, preamble=4096), header)


def test_own_segments_are_found_behind_the_header(published: Bucket) -> None:
    entry = published.pointer().catalog[0]
    header = published.header()
    whole = published.file(entry.manifest).read_bytes()

    for part in header.parts:
        for ref in part.segments:
            assert ref.key == manifest_key(DATASET, header.snapshot_id)
            codec.check_segment(whole[ref.offset : ref.offset + ref.length], ref, "blake3")
