"""Buckets that a release wrote: what is made of them today is what was made of them then.

`tests/golden/make.py` wrote them. A failure here means that this program no longer reads, or no
longer writes, a format that lies in buckets: the program is to be changed, not the bucket.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cdc.engines import sidecars
from restorer.facts import Policy, Selection
from restorer.fetch import fetch
from restorer.plan import make_plan
from restorer.restore import RestoreRequest, restore
from snapshotter import codec, layout, marks, sealed
from snapshotter.catalog_change import change_catalog
from snapshotter.format import FORMAT_VERSION, PREFIX_BYTES, CatalogEntry, Header, SegmentRef
from snapshotter.lease_json import decode_lease, encode_lease
from snapshotter.reader import read_catalog, read_header, read_pointer, read_segments
from snapshotter.runs import runs
from snapshotter.store import ObjectStore
from snapshotter.trust import signed, trust_of
from snapshotter.verify import verify
from tests.golden.make import HERE, VARIANTS, digest_of, digest_of_rows, store_of
from tests.restorer.accelerators import DATASET, Producer, plain_rows
from tests.snapshotter.bench import reference_reader
from tests.snapshotter.map_entries import packed

OPERATOR = Policy(role="operator")
BUCKETS = sorted(HERE.glob("format-*/*/bucket"))


@dataclass
class Golden:
    """A copy of a bucket, and what each of its snapshots has to become."""

    directory: Path
    store: ObjectStore
    engine: Any
    snapshots: dict[str, dict[str, Any]]

    def entries(self) -> list[CatalogEntry]:
        return list(read_catalog(self.store, read_pointer(self.store, DATASET)))

    def files(self, target: Path) -> dict[str, str | None]:
        """Digests of a restored main file and its log."""
        log = sidecars(self.engine, target)[0]
        return {"main": digest_of(target), "tail": digest_of(log)}

    def wanted(self, snapshot_id: str, *names: str) -> dict[str, Any]:
        return {name: self.snapshots[snapshot_id][name] for name in names}


@pytest.fixture(params=BUCKETS, ids=["-".join(each.parts[-3:-1]) for each in BUCKETS])
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Golden:
    directory = tmp_path / request.param.parent.name / "bucket"
    shutil.copytree(request.param, directory)
    expected = json.loads((request.param.parent / "expected.json").read_text())
    store = store_of(directory)
    return Golden(directory, store, expected["engine"], expected["snapshots"])


def test_this_format_has_a_bucket_of_each_engine_and_a_signed_one() -> None:
    found = {each.parent.name for each in HERE.glob(f"format-{FORMAT_VERSION}/*/bucket")}

    assert found == set(VARIANTS)


def test_the_bucket_has_all_that_a_pointer_can_say(golden: Golden) -> None:
    pointer = read_pointer(golden.store, DATASET)
    entries = golden.entries()
    headers = [read_header(golden.store, entry) for entry in entries]

    assert pointer.older
    assert pointer.hold
    assert pointer.rollbacks
    assert pointer.condemned
    assert len(pointer.forks) > 1
    assert any(entry.pinned for entry in entries)
    assert any(entry.verified for entry in entries)
    assert any(entry.proven_at and entry.content_digest for entry in entries)
    assert any(entry.quarantined for entry in entries)
    assert [entry.snapshot_id for entry in entries] == list(golden.snapshots)
    assert all({part.name for part in each.parts} == {"main", "tail"} for each in headers)
    assert any(_shares(header) for header in headers)


def _shares(header: Header) -> bool:
    own = layout.manifest_key(header.dataset, header.snapshot_id)
    return any(ref.key != own for part in header.parts for ref in part.segments)


def test_the_reference_reader_makes_the_same_bytes(golden: Golden, tmp_path: Path) -> None:
    for snapshot_id in golden.snapshots:
        target = tmp_path / snapshot_id
        reference_reader.restore(golden.directory, DATASET, target, snapshot_id)

        assert golden.files(target) == golden.wanted(snapshot_id, "main", "tail")


def test_the_restorer_makes_the_same_bytes(golden: Golden, tmp_path: Path) -> None:
    for entry in golden.entries():
        header = read_header(golden.store, entry)
        segments = [read_segments(golden.store, header, part) for part in header.parts]
        target = tmp_path / entry.snapshot_id
        paths = {"main": target, "tail": sidecars(golden.engine, target)[0]}
        fetch(golden.store, make_plan(header, segments), [paths[p.name] for p in header.parts])

        assert golden.files(target) == golden.wanted(entry.snapshot_id, "main", "tail")


def test_every_snapshot_restores_to_the_same_rows(golden: Golden, tmp_path: Path) -> None:
    for entry in golden.entries():
        if entry.quarantined is not None:
            continue
        selection = Selection(snapshot_id=entry.snapshot_id)
        target = tmp_path / entry.snapshot_id / "file"
        report = restore(golden.store, DATASET, target, RestoreRequest(OPERATOR, selection))
        rows = plain_rows(target, golden.engine)

        wanted = golden.wanted(entry.snapshot_id, "rows", "row_count")
        assert {"rows": digest_of_rows(rows), "row_count": report.row_count} == wanted


def test_every_snapshot_is_whole(golden: Golden) -> None:
    for snapshot_id in golden.snapshots:
        assert verify(golden.store, DATASET, snapshot_id, "full").ok


# ---------------------------------------------------------------- written again


def test_documents_are_written_as_they_lie_there(golden: Golden) -> None:
    home = golden.directory / DATASET
    pointer = read_pointer(golden.store, DATASET)

    bucket, head = (home / "bucket.json").read_bytes(), (home / "head.json").read_bytes()
    assert sealed.encode_bucket(DATASET, sealed.decode_bucket(bucket, DATASET)) == bucket
    assert signed(golden.store, "pointer", DATASET, sealed.encode_pointer(pointer)) == head
    lease = (home / "lease.json").read_bytes()
    assert encode_lease(decode_lease(lease, DATASET)) == lease
    for page in (home / "catalog").iterdir():
        entries, older = sealed.decode_page(page.read_bytes(), DATASET, page.name)
        again = sealed.encode_page(DATASET, entries, older)
        assert signed(golden.store, "page", DATASET, again, page.stem) == page.read_bytes()


def test_manifests_are_written_as_they_lie_there(golden: Golden) -> None:
    for entry in golden.entries():
        data = (golden.directory / entry.manifest).read_bytes()
        header = read_header(golden.store, entry)
        own = sorted({ref for ref in _refs(header) if ref.key == entry.manifest}, key=_offset)
        segments = [data[ref.offset : ref.offset + ref.length] for ref in own]

        base = PREFIX_BYTES + entry.header_length
        sign = trust_of(golden.store).signing("header", DATASET)
        made = codec.encode_manifest(_before(header, entry.manifest, base), segments, sign)
        assert made.data == data
        assert (made.header, made.header_digest) == (header, entry.header_digest)


def test_segments_are_written_as_they_lie_there(golden: Golden) -> None:
    for entry in golden.entries():
        header = read_header(golden.store, entry)
        for part in header.parts:
            segments = read_segments(golden.store, header, part)
            for ref, segment in zip(part.segments, segments, strict=True):
                entries = codec.decode_segment(segment, ref, part, header)
                frames = codec.frame_digests(segment, runs(segment.entries))
                found = runs(segment.entries)
                assert codec.encode_segment(packed(entries), found, frames, {}) == segment


def _refs(header: Header) -> Iterator[SegmentRef]:
    return (ref for part in header.parts for ref in part.segments)


def _offset(ref: SegmentRef) -> int:
    return ref.offset


def _before(header: Header, key: str, base: int) -> Header:
    """The header as it was given to be encoded: its own segments counted from the first of them."""

    def at(ref: SegmentRef) -> SegmentRef:
        return replace(ref, offset=ref.offset - base) if ref.key == key else ref

    parts = tuple(replace(p, segments=tuple(map(at, p.segments))) for p in header.parts)
    return replace(header, parts=parts, new_bytes=header.new_bytes - base)


# ---------------------------------------------------------------- gone on with


def test_a_dataset_of_that_release_is_gone_on_with(golden: Golden, tmp_path: Path) -> None:
    before = read_pointer(golden.store, DATASET)
    restore(golden.store, DATASET, tmp_path / "file", RestoreRequest(OPERATOR))
    change_catalog(golden.store, DATASET, marks.release)
    current = before.entry(before.current or "")
    assert current is not None

    successor = Producer(golden.store, tmp_path / "file", golden.engine, version=current.version)
    successor.put(5, 3, seed=9)
    snapshot_id = successor.publish()
    successor.close()

    rows = plain_rows(tmp_path / "file", golden.engine)
    restore(golden.store, DATASET, tmp_path / "new", RestoreRequest(OPERATOR))
    assert plain_rows(tmp_path / "new", golden.engine) == rows
    after = read_pointer(golden.store, DATASET)
    assert after.current == snapshot_id
    assert after.generation > before.generation
    assert after.condemned == before.condemned
    assert [entry.snapshot_id for entry in golden.entries()][1:] == list(golden.snapshots)
