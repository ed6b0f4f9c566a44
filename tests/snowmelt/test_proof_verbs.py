"""`snapshots verify|drill` as a person types them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdc.accelerator import Engine
from snapshotter.reader import read_header, read_pointer
from snowmelt.cli import execute
from tests.restorer.accelerators import DATASET, Producer
from tests.restorer.conftest import Produce, produce, store
from tests.snowmelt.places import place

__all__ = ["produce", "store"]
ENGINES: tuple[Engine, ...] = ("duckdb", "sqlite")
QUIET = ("--progress", "none")


class Shop:
    """Two snapshots of real rows in a folder, and a configuration that names it."""

    def __init__(self, home: Path, producer: Producer) -> None:
        self.home, self.producer = home, producer
        self.scratch = home / "scratch"
        self.ids = [producer.publish()]
        producer.put(0, 20, seed=2)
        self.ids.insert(0, producer.publish())
        self.place = place(home)
        self.place.dataset["name"] = DATASET
        self.place.dataset["acceleration"]["engine"] = producer.engine
        self.place.store_at(f"file://{home}/bucket")
        self.config = home / "node.yaml"
        self.config.write_text(yaml.safe_dump(self.place.config))

    def say(self, *arguments: str) -> int:
        return execute(["snapshots", *arguments, "-c", str(self.config)])

    def drill(self, *arguments: str) -> int:
        return self.say("drill", *arguments, *QUIET, "--scratch", str(self.scratch))

    def listed(self, capsys: pytest.CaptureFixture[str], snapshot_id: str) -> Any:
        capsys.readouterr()
        assert self.say("list", "--json") == 0
        entries = {entry["snapshot_id"]: entry for entry in document(capsys)}
        return entries[snapshot_id]

    def damage(self, number: int = 0) -> str:
        """Flip a byte of the newest pack of a snapshot; returns its key."""
        entry = read_pointer(self.producer.store, DATASET).entry(self.ids[number])
        assert entry is not None
        packs = filter(None, read_header(self.producer.store, entry).packs)
        key = max(packs, key=lambda key: key.rpartition("/")[2])
        pack = self.home / "bucket" / key
        data = bytearray(pack.read_bytes())
        data[len(data) // 2] ^= 1
        pack.write_bytes(data)
        return key


@pytest.fixture
def shop(tmp_path: Path, produce: Produce) -> Shop:
    return Shop(tmp_path, produce())


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


# ---------------------------------------------------------------- verify


def test_a_look_is_recorded_and_listed(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.say("verify", "--level", "full", "--json", *QUIET) == 0
    report = document(capsys)
    entry = shop.listed(capsys, shop.ids[0])
    assert shop.say("show") == 0

    assert (report["ok"], report["recorded"]) == (True, True)
    assert (entry["verified"]["level"], entry["verified"]["faults"]) == ("full", 0)
    assert "verified (full 20" in capsys.readouterr().out


def test_all_of_the_catalog_is_verified(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.say("verify", "--all", *QUIET) == 0
    lines = capsys.readouterr().out.splitlines()
    assert shop.say("verify", *shop.ids[::-1], "--json", *QUIET) == 0

    assert [line.partition(":")[0] for line in lines] == shop.ids
    assert [one["snapshot_id"] for one in document(capsys)] == shop.ids[::-1]


def test_damage_is_named_recorded_and_listed(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    key = shop.damage()

    assert shop.say("verify", "--level", "full", *QUIET) == 5
    assert key in capsys.readouterr().out
    assert shop.listed(capsys, shop.ids[0])["verified"]["faults"] > 0
    assert shop.say("list") == 0
    assert "damaged (full 20" in capsys.readouterr().out


def test_a_reader_verifies_all_the_same(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_writes(monkeypatch)

    assert shop.say("verify", *QUIET) == 0
    told = capsys.readouterr()
    assert "good (fast" in told.out
    assert "nothing was recorded: PutObject is denied" in told.err


def refuse_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    from snapshotter.errors import StoreAccessDenied
    from snapshotter.file_store import FileStore

    def denied(*_: object) -> str:
        raise StoreAccessDenied("PutObject is denied")

    monkeypatch.setattr(FileStore, "put_if_match", denied)


# ---------------------------------------------------------------- drill


@pytest.mark.parametrize("engine", ENGINES)
def test_a_drill_proves_and_leaves_nothing_behind(
    tmp_path: Path,
    produce: Produce,
    capsys: pytest.CaptureFixture[str],
    engine: Engine,
) -> None:
    shop = Shop(tmp_path, produce(engine))

    assert shop.drill() == 0
    told = capsys.readouterr().out
    entry = shop.listed(capsys, shop.ids[0])
    assert shop.say("list") == 0

    found = re.fullmatch(r"(\S+): proven: 500 items, content ([0-9a-f]{32}) \(.*\)\n", told)
    assert found is not None
    assert found.groups() == (shop.ids[0], entry["content_digest"])
    assert entry["verified"]["level"] == "drill"
    assert f"proven {told_time(entry['proven_at'])}" in capsys.readouterr().out
    assert list(shop.scratch.iterdir()) == []


def told_time(moment: float) -> str | None:
    from snowmelt.cli.tables import instant

    return instant(moment)


def test_a_second_drill_finds_the_same_items_and_another_state_has_others(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    digests = []
    for snapshot_id in (shop.ids[0], shop.ids[0], shop.ids[1]):
        assert shop.drill(snapshot_id, "--json") == 0
        digests.append(document(capsys)["content_digest"])

    assert digests[0] == digests[1] != digests[2]


def test_a_drill_of_a_time_takes_the_newest_before_it(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.drill("--at", "2001-01-01T00:00:00Z") == 4
    assert "has no snapshot of 2001-01-01T00:00:00Z or before" in capsys.readouterr().err
    assert shop.drill("--at", "2999-01-01T00:00:00Z", "--json") == 0
    assert document(capsys)["snapshot_id"] == shop.ids[0]
    assert shop.drill(shop.ids[0], "--at", "2999-01-01T00:00:00Z") == 2


def test_a_failed_drill_takes_the_proof_back(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.drill() == 0
    key = shop.damage()

    assert shop.drill() == 5
    assert key in capsys.readouterr().err
    entry = shop.listed(capsys, shop.ids[0])
    assert entry["proven_at"] is None
    assert entry["verified"] == {"at": entry["verified"]["at"], "level": "drill", "faults": 1}
    assert list(shop.scratch.iterdir()) == []


def test_a_kept_file_is_a_plain_one_of_its_engine(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = shop.home / "kept" / "file.sqlite"

    assert shop.drill("--keep", str(kept)) == 0
    assert f"kept: {kept}" in capsys.readouterr().out
    assert kept.read_bytes().startswith(b"SQLite format 3")
    assert shop.drill("--keep", str(kept)) == 3


def test_a_drill_never_takes_the_nodes_own_place(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    node = Path(shop.place.dataset["acceleration"]["path"])
    for own in (node, node.with_name(f"{node.name}.d") / "x"):
        assert shop.drill("--keep", str(own)) == 2
        assert "the node's own place" in capsys.readouterr().err
    assert not node.exists()


def test_a_reader_drills_all_the_same(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_writes(monkeypatch)

    assert shop.drill() == 0
    told = capsys.readouterr()
    assert "proven: 500 items" in told.out
    assert "nothing was recorded: PutObject is denied" in told.err
