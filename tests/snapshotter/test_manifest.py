"""A snapshot's map comes by one request, or by ranges where it is large or lies elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from snapshotter.errors import Corrupt
from snapshotter.format import CatalogEntry, Segment
from snapshotter.manifest import Manifest, open_manifest
from snapshotter.reader import read_header, read_pointer, read_segments
from snapshotter.store import ObjectStore
from tests.restorer.published import DATASET, Bench, bench, directory_store, noise
from tests.restorer.stores import CountedStore, flip
from tests.snapshotter.images import BLOCK, BytesPart

# Two segments of the main part.
CONTENT = noise(1500 * BLOCK)


@pytest.fixture
def source(tmp_path: Path) -> Bench:
    return bench(directory_store(tmp_path / "bucket"))


def entry_of(source: Bench, snapshot_id: str) -> CatalogEntry:
    entry = read_pointer(source.store, DATASET).entry(snapshot_id)
    assert entry is not None
    return entry


def map_of(manifest: Manifest) -> list[list[Segment]]:
    return [manifest.segments(part) for part in manifest.header.parts]


def read_apart(store: ObjectStore, entry: CatalogEntry) -> list[list[Segment]]:
    """The map by the way of who reads header and segments one after the other."""
    header = read_header(store, entry)
    return [read_segments(store, header, part) for part in header.parts]


def test_a_full_snapshot_s_map_is_one_request(source: Bench) -> None:
    entry = entry_of(source, source.publish(BytesPart(CONTENT), tail=noise(9 * BLOCK, seed=2)))
    counted = CountedStore(source.store)

    manifest = open_manifest(counted, entry)
    found = map_of(manifest)

    assert [key for key, _ in counted.reads] == [entry.manifest]
    assert found == read_apart(source.store, entry)
    assert manifest.header == read_header(source.store, entry)


def test_segments_of_older_snapshots_are_read_where_they_lie(source: Bench) -> None:
    older = entry_of(source, source.publish(BytesPart(CONTENT)))
    changed = CONTENT[:-BLOCK] + noise(BLOCK, seed=3)
    newer = entry_of(source, source.publish(BytesPart(changed)))
    counted = CountedStore(source.store)

    found = map_of(open_manifest(counted, newer))

    assert [key for key, _ in counted.reads] == [newer.manifest, older.manifest]
    assert found == read_apart(source.store, newer)


def test_a_map_that_may_be_larger_than_a_part_is_read_in_ranges(
    source: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = entry_of(source, source.publish(BytesPart(CONTENT)))
    monkeypatch.setattr("snapshotter.manifest._MOST_BYTES", 40_000)
    counted = CountedStore(source.store)

    found = map_of(open_manifest(counted, entry))

    assert len(counted.reads) == 2
    assert found == read_apart(source.store, entry)


@pytest.mark.parametrize("behind_header", [-1, 0, 60_000])
def test_a_wrong_byte_anywhere_is_corrupt(source: Bench, behind_header: int) -> None:
    entry = entry_of(source, source.publish(BytesPart(CONTENT)))
    flip(source.store, entry.manifest, 16 + entry.header_length + behind_header)

    with pytest.raises(Corrupt, match="does not match"):
        map_of(open_manifest(source.store, entry))


@pytest.mark.parametrize("left", [10, 5_000, -1])
def test_a_manifest_that_was_cut_is_corrupt(source: Bench, left: int) -> None:
    entry = entry_of(source, source.publish(BytesPart(CONTENT)))
    data = source.store.get(entry.manifest, max_bytes=2**20).data
    source.store.put(entry.manifest, data[:left])

    with pytest.raises(Corrupt):
        map_of(open_manifest(source.store, entry))


def test_a_manifest_that_grew_is_read_as_far_as_it_is_known(
    source: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = entry_of(source, source.publish(BytesPart(CONTENT)))
    expected = read_apart(source.store, entry)
    data = source.store.get(entry.manifest, max_bytes=2**20).data
    source.store.put(entry.manifest, data + bytes(200_000))
    monkeypatch.setattr("snapshotter.manifest._MOST_BYTES", 200_000)

    assert map_of(open_manifest(source.store, entry)) == expected
