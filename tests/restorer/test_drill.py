"""A drill proves a snapshot by using it; each way in which one can be bad has a name."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdc.accelerator import Engine
from cdc.rebuild import ItemSetDigest
from restorer import drill as drills
from restorer.drill import DrillReport
from restorer.errors import NoSpace, NothingToRestore, WouldOverwrite
from snapshotter import marks
from snapshotter.catalog_change import change_catalog
from snapshotter.digest import tagged
from snapshotter.errors import Corrupt
from snapshotter.format import PREFIX_BYTES, CatalogEntry, Pointer
from snapshotter.reader import read_header, read_pointer
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import DATASET, Producer, rows_of
from tests.restorer.conftest import Produce
from tests.restorer.published import directory_store

ENGINES: tuple[Engine, ...] = ("duckdb", "sqlite")


def entry_of(store: ObjectStore, snapshot_id: str) -> CatalogEntry:
    entry = read_pointer(store, DATASET).entry(snapshot_id)
    assert entry is not None
    return entry


def drill(producer: Producer, snapshot_id: str, target: Path) -> DrillReport:
    entry = entry_of(producer.store, snapshot_id)
    return drills.finish(drills.begin(producer.store, DATASET, entry, target))


def forge(producer: Producer, snapshot_id: str, change: Callable[[dict[str, Any]], None]) -> None:
    """The snapshot as a producer would have published it that says what is not so."""
    store, entry = producer.store, entry_of(producer.store, snapshot_id)
    length = PREFIX_BYTES + entry.header_length
    data = store.get(entry.manifest, max_bytes=2**24).data
    document = json.loads(data[PREFIX_BYTES:length])
    change(document)
    text = json.dumps(document, separators=(",", ":")).encode().ljust(entry.header_length)
    assert len(text) == entry.header_length
    head = data[:PREFIX_BYTES] + text
    store.put(entry.manifest, head + data[length:])
    forged = replace(
        entry, header_digest=tagged(head, "blake3"), row_count=int(document["row_count"])
    )

    def swapped(pointer: Pointer) -> Pointer:
        return marks.with_entry(pointer, forged)

    change_catalog(store, DATASET, swapped)


# ---------------------------------------------------------------- what is good


@pytest.mark.parametrize("engine", ENGINES)
def test_a_good_snapshot_is_proven_with_the_digest_of_its_items(
    produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer = produce(engine)
    snapshot_id = producer.publish()
    wanted = ItemSetDigest()
    for name, amount, note in rows_of(0, 500, seed=1):
        wanted.add({"id": {"S": name}, "amount": {"N": str(amount)}, "note": {"S": note}})

    report = drill(producer, snapshot_id, tmp_path / "drill" / "file")

    assert (report.rows, report.content_digest) == (500, wanted.hexdigest())
    assert report.snapshot_id == snapshot_id
    assert {"fetch", "prove", "examine"} <= report.seconds.keys()


def test_two_engines_and_two_states_are_told_apart_by_items_alone(
    produce: Produce, tmp_path: Path
) -> None:
    one = produce("duckdb")
    other = produce("sqlite", store=directory_store(tmp_path / "other"))
    digests = []
    for number, producer in enumerate((one, other)):
        found = drill(producer, producer.publish(), tmp_path / f"drill-{number}")
        digests.append(found.content_digest)
    other.put(0, 1, seed=2)
    changed = drill(other, other.publish(), tmp_path / "drill-2").content_digest

    assert digests[0] == digests[1] != changed


# ---------------------------------------------------------------- what is bad, by name


def test_a_flipped_byte_of_a_pack_is_named(produce: Produce, tmp_path: Path) -> None:
    producer = produce()
    snapshot_id = producer.publish()
    header = read_header(producer.store, entry_of(producer.store, snapshot_id))
    pack = tmp_path / "bucket" / header.packs[0]
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)

    with pytest.raises(Corrupt, match=f"{header.packs[0]} is damaged"):
        drill(producer, snapshot_id, tmp_path / "drill" / "file")
    assert not (tmp_path / "drill" / "file").exists()


def test_a_missing_pack_is_named_and_no_mere_absence(produce: Produce, tmp_path: Path) -> None:
    producer = produce()
    snapshot_id = producer.publish()
    header = read_header(producer.store, entry_of(producer.store, snapshot_id))
    (tmp_path / "bucket" / header.packs[0]).unlink()

    with pytest.raises(Corrupt, match=header.packs[0]):
        drill(producer, snapshot_id, tmp_path / "drill" / "file")


def test_a_manifest_of_another_snapshot_is_named(produce: Produce, tmp_path: Path) -> None:
    producer = produce()
    first = entry_of(producer.store, producer.publish())
    producer.put(0, 5, seed=2)
    second = entry_of(producer.store, producer.publish())
    shutil.copy(tmp_path / "bucket" / first.manifest, tmp_path / "bucket" / second.manifest)

    with pytest.raises(Corrupt, match=f"manifest of {second.snapshot_id}: "):
        drill(producer, second.snapshot_id, tmp_path / "drill" / "file")


def test_another_checkpoint_than_the_header_has_is_named(produce: Produce, tmp_path: Path) -> None:
    producer = produce()
    snapshot_id = producer.publish()

    def later(document: dict[str, Any]) -> None:
        document["checkpoint"]["watermark"] = 7.0

    forge(producer, snapshot_id, later)

    with pytest.raises(Corrupt, match="the checkpoint in the file is not that of the manifest"):
        drill(producer, snapshot_id, tmp_path / "drill" / "file")


def test_another_count_of_rows_than_the_header_has_is_named(
    produce: Produce, tmp_path: Path
) -> None:
    producer = produce()
    snapshot_id = producer.publish()
    forge(producer, snapshot_id, lambda document: document.update(row_count=499))

    with pytest.raises(Corrupt, match="500 rows in the file, 499 in the manifest"):
        drill(producer, snapshot_id, tmp_path / "drill" / "file")


def test_other_items_than_the_drill_before_found_are_named(
    produce: Produce, tmp_path: Path
) -> None:
    producer = produce()
    entry = replace(entry_of(producer.store, producer.publish()), content_digest="0" * 32)

    with pytest.raises(Corrupt, match=f"and had {'0' * 32} in the drill before"):
        drills.finish(drills.begin(producer.store, DATASET, entry, tmp_path / "file"))


# ---------------------------------------------------------------- what says nothing of a snapshot


def test_a_quarantined_snapshot_is_not_taken_and_not_called_damaged(
    produce: Produce, tmp_path: Path
) -> None:
    producer = produce()
    snapshot_id = producer.publish()
    change_catalog(producer.store, DATASET, lambda p: marks.quarantine(p, snapshot_id, "wrong"))

    with pytest.raises(NothingToRestore, match="quarantined: wrong"):
        drill(producer, snapshot_id, tmp_path / "drill" / "file")


def test_a_file_that_is_there_stays(produce: Produce, tmp_path: Path) -> None:
    producer = produce()
    snapshot_id = producer.publish()
    target = tmp_path / "mine"
    target.write_bytes(b"mine")

    with pytest.raises(WouldOverwrite):
        drill(producer, snapshot_id, target)
    assert target.read_bytes() == b"mine"


def test_a_disk_without_room_is_not_the_snapshots_fault(
    produce: Produce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = produce()
    snapshot_id = producer.publish()
    monkeypatch.setattr("restorer.restore.free_bytes", lambda _: 1000)

    with pytest.raises(NoSpace):
        drill(producer, snapshot_id, tmp_path / "drill" / "file")
