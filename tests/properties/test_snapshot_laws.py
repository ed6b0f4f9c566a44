"""Laws of snapshots: what goes in comes out, incremental is full, and damage never passes."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zstandard import ZstdError

from snapshotter.digest import digest
from snapshotter.errors import Corrupt, SnapshotError
from snapshotter.format import DATA
from snapshotter.frames import block_in_frame, open_frame
from snapshotter.reader import read_entries, read_header, read_pointer
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.images import BytesPart

BLOCK = 512
# tests/snapshotter/test_codec.py flips every byte without a store; a prime meets all fields.
STRIDE = 13


@contextmanager
def new_bucket() -> Iterator[Bucket]:
    home = Path(tempfile.mkdtemp(prefix="laws-"))
    try:
        yield Bucket.at(home)
    finally:
        shutil.rmtree(home)


@st.composite
def histories(draw: st.DrawFn) -> list[BytesPart]:
    """A file and its edits: bytes changed, grown, cut, blocks in and out of use."""
    preamble = draw(st.sampled_from([0, 100]))
    source = random.Random(draw(st.integers(0, 1000)))
    data = bytearray(source.randbytes(draw(st.integers(0, 150)) * BLOCK // 2))
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        for _ in range(draw(st.integers(0, 4))):
            if data:
                at = draw(st.integers(0, len(data) - 1))
                data[at : at + draw(st.integers(1, 3 * BLOCK))] = source.randbytes(BLOCK)
        if draw(st.booleans()):
            data += bytes(draw(st.integers(0, 40)) * BLOCK) + source.randbytes(7)
        elif draw(st.booleans()):
            del data[draw(st.integers(0, len(data))) :]
        used = draw(st.none() | st.frozensets(st.integers(0, 160)))
        parts.append(BytesPart(bytes(data), block_size=BLOCK, preamble=preamble, used=used))
    return parts


def expected(part: BytesPart) -> bytes:
    """The file with zeros where the engine uses nothing."""
    if part.used is None:
        return part.data
    out = bytearray(len(part.data))
    used = part.used | ({0} if part.preamble else set())
    for block in used:
        if part.preamble and block == 0:
            at, size = 0, part.preamble
        else:
            at = part.preamble + (block - bool(part.preamble)) * BLOCK
            size = BLOCK
        out[at : at + size] = part.data[at : at + size]
    return bytes(out)


def through_codec(bucket: Bucket, snapshot_id: str) -> bytes:
    """The main file, put together from checked entries by our own functions."""
    entry = read_pointer(bucket.store, DATASET).entry(snapshot_id)
    assert entry is not None
    header = read_header(bucket.store, entry)
    part, out = header.parts[0], bytearray(header.parts[0].length)
    number = 0
    for entries in read_entries(bucket.store, header, part):
        for one in entries:
            at, size = part.span(number)
            if one.kind == DATA:
                stored = bucket.store.get_range(header.packs[one.pack], one.offset, one.stored)
                frame = open_frame(one, stored)
                block = block_in_frame(one, frame, part.block_size, size)
                if digest(block, header.digest_algorithm) != one.digest:
                    raise Corrupt(f"block {number}")
                out[at : at + size] = block
            number += 1
    return bytes(out)


@settings(max_examples=25)
@given(histories())
def test_every_snapshot_of_a_history_restores_to_its_own_state(history: list[BytesPart]) -> None:
    with new_bucket() as bucket:
        publisher = bucket.publisher(pack_bytes=10 * BLOCK)
        ids = [
            bucket.publish(publisher, part, version, tail=part.data[:700]).snapshot_id
            for version, part in enumerate(history, 1)
        ]
        for number, (snapshot_id, part) in enumerate(zip(ids, history, strict=True)):
            target = bucket.directory / f"out-{number}"
            assert bucket.restore(target, snapshot_id) == expected(part)
            assert Path(f"{target}.wal").read_bytes() == part.data[:700]
            assert through_codec(bucket, snapshot_id) == expected(part)


@settings(max_examples=15)
@given(histories())
def test_an_incremental_snapshot_names_the_same_content_as_a_full_one(
    history: list[BytesPart],
) -> None:
    with new_bucket() as bucket:
        publisher = bucket.publisher()
        for version, part in enumerate(history, 1):
            bucket.publish(publisher, part, version)
        incremental = bucket.header()
        bucket.publish(publisher, history[-1], len(history), full=True)
        full = bucket.header()

        assert [part.root for part in incremental.parts] == [part.root for part in full.parts]
        assert incremental.stored_bytes >= 0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bucket:
    bucket = Bucket.at(tmp_path_factory.mktemp("small"))
    data = random.Random(5).randbytes(20 * BLOCK) + b"text " * 700
    publisher = bucket.publisher()
    bucket.publish(publisher, BytesPart(data, block_size=BLOCK))
    bucket.publish(publisher, BytesPart(b"?" + data[1:], block_size=BLOCK), 2, tail=b"log")
    return bucket


def is_refused(bucket: Bucket) -> bool:
    """True if reading the current snapshot to its last block ends in one of our errors."""
    try:
        through_codec(bucket, bucket.pointer().current or "")
    except SnapshotError as error:
        return isinstance(error, Corrupt)
    return False


@contextmanager
def flipped(path: Path, at: int, mask: int) -> Iterator[None]:
    good = path.read_bytes()
    path.write_bytes(good[:at] + bytes([good[at] ^ mask]) + good[at + 1 :])
    try:
        yield
    finally:
        path.write_bytes(good)


@pytest.mark.parametrize("name", ["bucket.json", "head.json"])
def test_a_flipped_byte_of_the_pointer_is_refused(small: Bucket, name: str) -> None:
    path = small.file(f"{DATASET}/{name}")
    for at in range(0, path.stat().st_size, STRIDE):
        with flipped(path, at, 1 << at % 8):
            assert is_refused(small), f"byte {at} of {name}"
    assert not is_refused(small)


def test_a_flipped_byte_of_the_manifests_is_refused(small: Bucket) -> None:
    header = small.header()
    manifests = {ref.key for part in header.parts for ref in part.segments}
    entry = small.pointer().catalog[0]
    for key in sorted(manifests):
        path = small.file(key)
        needed = needed_bytes(small, key, 16 + entry.header_length)
        for at in needed:
            with flipped(path, at, 1 << at % 8):
                assert reading_fails(small), f"byte {at} of {key}"


def needed_bytes(bucket: Bucket, key: str, head: int) -> list[int]:
    """The bytes of a manifest that the current snapshot stands on: its head, and its segments."""
    header, entry = bucket.header(), bucket.pointer().catalog[0]
    ranges = [
        range(ref.offset, ref.offset + ref.length)
        for part in header.parts
        for ref in part.segments
        if ref.key == key
    ]
    if key == entry.manifest:
        ranges.append(range(head))
    return [at for one in ranges for at in one[::STRIDE]]


def reading_fails(bucket: Bucket) -> bool:
    """Like `is_refused`, of both parts' maps."""
    try:
        header = bucket.header()
        for part in header.parts:
            list(read_entries(bucket.store, header, part))
    except Corrupt:
        return True
    return False


def test_a_flipped_byte_of_a_pack_never_comes_out(small: Bucket, tmp_path: Path) -> None:
    packs = [small.file(key) for key in small.header().packs if key]
    source, refused = random.Random(3), 0
    for number in range(60):
        path = source.choice(packs)
        at = source.randrange(path.stat().st_size)
        good = small.restore(tmp_path / f"good-{number}")
        with flipped(path, at, 1 << source.randrange(8)):
            if is_refused(small):
                with pytest.raises((ValueError, ZstdError)):
                    small.restore(tmp_path / f"bad-{number}")
                refused += 1
            else:
                # A byte that this snapshot does not use any more, or a bit that zstd ignores.
                assert through_codec(small, small.pointer().current or "") == good
    assert refused > 40
