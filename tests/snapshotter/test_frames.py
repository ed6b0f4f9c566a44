"""Frames: opened within the limits of the map, or refused."""

import random
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import Corrupt
from snapshotter.format import BLOCK_LIMIT, DATA, RAW, ZSTD, MapEntry
from snapshotter.frames import Piece, Sealer, block_in_frame, open_frame

TEXT = b"control plane " * 1000
_COMPRESSOR = zstandard.ZstdCompressor


def entry_for(plain: bytes, how: int, stored: bytes, **changes: Any) -> MapEntry:
    return MapEntry(DATA, how, 0, 0, 0, len(stored), len(plain), bytes(32))._replace(**changes)


def sealed(plain: bytes, *, is_shared: bool = False) -> tuple[int, bytes]:
    (only,) = Sealer().seal([Piece(plain, is_shared)])
    return only


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=5000), st.booleans()), max_size=20))
def test_what_was_sealed_opens_to_the_same(given_: list[tuple[bytes, bool]]) -> None:
    pieces = [Piece(memoryview(plain), is_shared) for plain, is_shared in given_]
    frames = Sealer().seal(pieces)

    assert [
        open_frame(entry_for(plain, codec, stored), stored)
        for (plain, _), (codec, stored) in zip(given_, frames, strict=True)
    ] == [plain for plain, _ in given_]


def test_a_zstd_that_takes_one_piece_by_a_call_makes_the_same_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = random.Random(1).randbytes(4096)
    pieces = [Piece(TEXT), Piece(noise, is_shared=True), Piece(TEXT * 2, is_shared=True)]
    frames = Sealer().seal(pieces)

    monkeypatch.setattr(zstandard, "backend_features", frozenset())
    monkeypatch.setattr(zstandard, "ZstdCompressor", Single)

    assert Sealer().seal(pieces) == frames


class Single:
    """A compressor as it is where zstd is the system's own."""

    def __init__(self, **options: Any) -> None:
        self._compressor = _COMPRESSOR(**options)

    def compress(self, plain: bytes) -> bytes:
        return self._compressor.compress(plain)


def test_a_small_gain_is_not_worth_a_codec() -> None:
    plain = random.Random(1).randbytes(64_000) + bytes(1_500)

    assert sealed(plain) == (RAW, plain)


def test_a_frame_that_announces_another_length_is_refused_before_it_is_opened() -> None:
    bomb = zstandard.compress(bytes(200_000_000))

    with pytest.raises(Corrupt, match="announces another length"):
        open_frame(entry_for(TEXT, ZSTD, bomb), bomb)


def test_a_frame_without_a_length_is_refused() -> None:
    stored = zstandard.ZstdCompressor(write_content_size=False).compress(TEXT)

    with pytest.raises(Corrupt, match="announces another length"):
        open_frame(entry_for(TEXT, ZSTD, stored), stored)


def test_bytes_that_are_no_frame_are_refused() -> None:
    with pytest.raises(Corrupt, match=r"does not decompress|announces another length"):
        open_frame(entry_for(TEXT, ZSTD, b"no frame"), b"no frame")


def test_a_cut_frame_is_refused() -> None:
    _, stored = sealed(TEXT)

    with pytest.raises(Corrupt):
        open_frame(entry_for(TEXT, ZSTD, stored[:-5]), stored[:-5])
    with pytest.raises(Corrupt, match="expected"):
        open_frame(entry_for(TEXT, ZSTD, stored), stored[:-5])


def test_a_frame_of_several_blocks_carries_a_checksum_of_what_it_was_made_of() -> None:
    codec, stored = sealed(TEXT, is_shared=True)
    assert open_frame(entry_for(TEXT, codec, stored), stored) == TEXT

    for at in range(len(stored) - 4, len(stored)):
        wrong = stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]
        with pytest.raises(Corrupt, match="does not decompress"):
            open_frame(entry_for(TEXT, codec, wrong), wrong)


@pytest.mark.parametrize("changes", [{"codec": 7}, {"raw": BLOCK_LIMIT + 1}])
def test_what_no_map_may_say_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Corrupt):
        open_frame(entry_for(TEXT, RAW, TEXT, **changes), TEXT)


def test_a_block_is_cut_out_by_its_slot() -> None:
    entry = entry_for(b"", RAW, b"", slot=2)

    assert block_in_frame(entry, b"aaaabbbbcccc", 4, 4) == b"cccc"
    assert block_in_frame(entry, b"aaaabbbbcc", 4, 2) == b"cc"
    with pytest.raises(Corrupt, match="does not hold its block 2"):
        block_in_frame(entry, b"aaaabbbbcc", 4, 4)
