"""A snapshot of a newer engine or format is refused by what the pointer says, before any data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdc import checkpoint as cdc_checkpoint
from cdc import duckdb_sql, sqlite_schema
from restorer.errors import Unreadable
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter import layout
from snapshotter.digest import tagged
from snapshotter.errors import FormatTooNew
from snapshotter.format import FORMAT_VERSION, POINTER_LIMIT, PREFIX_BYTES
from snapshotter.publish import Publisher
from snapshotter.reader import read_pointer
from snapshotter.seal import seal
from snapshotter.sealed import encode_pointer
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import DATASET, Producer, plain_rows, rows_of
from tests.restorer.conftest import Produce
from tests.restorer.stores import CountedStore

CENTRAL = Policy(allow_bootstrap=False)
NODES = {"central": CENTRAL, "edge": Policy(role="edge"), "operator": Policy(role="operator")}
DOCUMENTS = [layout.bucket_key(DATASET), layout.pointer_key(DATASET)]


def publish(producer: Producer, storage_version: str) -> str:
    with producer.accelerator.freeze() as image:
        newer = replace(image, storage_version=storage_version)
        return producer.publisher.publish(newer, reason="test").snapshot_id


def rewrite(store: ObjectStore, key: str, **members: Any) -> None:
    """Put members into a sealed document, which may then be one that this program cannot make."""
    document = json.loads(store.get(key, max_bytes=POINTER_LIMIT).data)
    document.pop("blake3")
    store.put(key, seal(document | members, "blake3"))


@pytest.mark.parametrize("role", ["central", "operator"])
def test_a_newer_storage_version_is_refused_by_the_pointer_alone(
    store: ObjectStore, produce: Produce, tmp_path: Path, role: str
) -> None:
    publish(produce("duckdb"), "v99.0.0")
    counted = CountedStore(store)

    with pytest.raises(Unreadable, match=r"v99\.0\.0 .*needs DuckDB 99\.0\.0 or newer") as refused:
        restore(counted, DATASET, tmp_path / "target", RestoreRequest(NODES[role]))

    assert refused.value.exit_code == 11
    assert [key for key, _ in counted.reads] == DOCUMENTS
    assert sum(size for _, size in counted.reads) < 4096
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("role", list(NODES))
def test_an_older_snapshot_that_can_be_read_is_taken_and_nothing_of_the_newer_one_is_asked_for(
    store: ObjectStore, produce: Produce, tmp_path: Path, role: str
) -> None:
    producer = produce("duckdb")
    readable = publish(producer, "v1.5.0")
    producer.put(0, 50, seed=2)
    newer = publish(producer, "v99.0.0")
    counted = CountedStore(store)

    report = restore(counted, DATASET, tmp_path / "target", RestoreRequest(NODES[role]))

    assert report.snapshot_id == readable
    assert plain_rows(tmp_path / "target", "duckdb") == rows_of(0, 500, seed=1)
    assert not [key for key, _ in counted.reads if newer in key]
    assert any("needs DuckDB 99.0.0" in reason for reason in report.decision.reasons)


@pytest.mark.parametrize("key", DOCUMENTS)
def test_a_document_of_format_2_is_refused_whatever_else_it_says(
    store: ObjectStore, produce: Produce, tmp_path: Path, key: str
) -> None:
    produce().publish()
    rewrite(store, key, format=2, shape={"of": ["the", "future"]})
    counted = CountedStore(store)

    with pytest.raises(FormatTooNew, match=f"{key}: format 2, this reader knows 1") as refused:
        restore(counted, DATASET, tmp_path / "target", RestoreRequest(CENTRAL))

    assert refused.value.exit_code == 11
    assert [read for read, _ in counted.reads] == DOCUMENTS[: DOCUMENTS.index(key) + 1]


def test_a_pointer_of_format_2_is_not_written_over(store: ObjectStore, produce: Produce) -> None:
    produce().publish()
    key = layout.pointer_key(DATASET)
    rewrite(store, key, format=2)
    before = store.get(key, max_bytes=POINTER_LIMIT).data

    with pytest.raises(FormatTooNew):
        Publisher(store, DATASET, holder="of yesterday").take_over()

    assert store.get(key, max_bytes=POINTER_LIMIT).data == before


def test_a_manifest_of_format_2_costs_one_request_and_an_older_one_is_taken(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    producer = produce()
    readable = producer.publish()
    producer.put(0, 50, seed=2)
    newer = producer.publish()
    size = _of_format_2(store, newer)
    counted = CountedStore(store)

    report = restore(counted, DATASET, tmp_path / "target", RestoreRequest(CENTRAL))

    assert report.snapshot_id == readable
    assert [each.exit_code for each in report.rejected] == [11]
    assert "format 2, this reader knows 1" in report.rejected[0].reason
    assert [read for read in counted.reads if newer in read[0]] == [
        (layout.manifest_key(DATASET, newer), size)
    ]


def test_the_format_inside_the_files_moves_with_that_of_manifests() -> None:
    # A header does not name it, so a reader that is too old would learn of it after the download.
    inside = {int(duckdb_sql.FORMAT), sqlite_schema.FORMAT, cdc_checkpoint.FORMAT}

    assert inside == {FORMAT_VERSION}


def _of_format_2(store: ObjectStore, snapshot_id: str) -> int:
    """Give a manifest another version, and the pointer the digest of that; returns its size."""
    pointer = read_pointer(store, DATASET)
    entry = pointer.entry(snapshot_id)
    assert entry is not None
    info = store.head(entry.manifest)
    assert info is not None
    data = bytearray(store.get(entry.manifest, max_bytes=info.size).data)
    data[8] = 2
    store.put(entry.manifest, bytes(data))
    head = bytes(data[: PREFIX_BYTES + entry.header_length])
    changed = replace(entry, header_digest=tagged(head, "blake3"))
    catalog = tuple(changed if each == entry else each for each in pointer.catalog)
    store.put(layout.pointer_key(DATASET), encode_pointer(replace(pointer, catalog=catalog)))
    return info.size
