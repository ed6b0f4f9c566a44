"""`snapshots prune` as a person types it: said first, done with --yes, in two steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from snapshotter.catalog_change import change_catalog
from snapshotter.format import Condemned, Pointer
from tests.snapshotter.bench import DATASET
from tests.snowmelt.test_snapshot_verbs import Catalog, document


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    made = Catalog(tmp_path)
    made.place.config["snapshots"]["keep_last"] = 2
    made.config.write_text(yaml.safe_dump(made.place.config))
    return made


def a_day_passes(catalog: Catalog) -> None:
    """For what is condemned."""

    def earlier(pointer: Pointer) -> Pointer:
        passed = (Condemned(each.key, each.since - 90_000) for each in pointer.condemned)
        return replace(pointer, condemned=tuple(passed))

    change_catalog(catalog.bucket.store, DATASET, earlier)


def test_without_yes_it_is_only_said(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    before = catalog.bucket.file(f"{DATASET}/head.json").read_bytes()
    assert catalog.say("prune") == 0

    gone, told, end = capsys.readouterr().out.splitlines()
    assert gone == f"{catalog.ids[2]}: would go"
    assert told.startswith(f"{DATASET}: 1 snapshot to go; would be condemned: 1 object (")
    assert told.endswith("; would be deleted: 0 objects (0 B)")
    assert end == "nothing was changed; --yes does it"
    assert catalog.bucket.file(f"{DATASET}/head.json").read_bytes() == before


def test_twice_and_a_day_between_deletes(
    catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    before = catalog.bucket.objects()
    assert catalog.say("prune", "--yes", "--json") == 0
    first = document(capsys)
    assert (first["done"], first["going"]) == (True, catalog.ids[2:])
    assert first["condemned"]["objects"] == 1
    assert catalog.bucket.objects() == before
    assert catalog.say("prune") == 0
    assert "condemned before: 1 object, until 20" in capsys.readouterr().out
    a_day_passes(catalog)
    assert catalog.say("prune", "--yes") == 0

    told = capsys.readouterr().out
    assert told.startswith(f"{DATASET}: 0 snapshots gone; condemned: 0 objects (0 B); deleted: 1 ")
    assert len(before) - len(catalog.bucket.objects()) == 1
    assert catalog.bucket.pointer().condemned == ()


def test_two_roles_share_the_work(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    before = catalog.bucket.objects()
    assert catalog.say("prune", "--only", "condemn", "--yes") == 0
    a_day_passes(catalog)
    assert catalog.say("prune", "--only", "condemn", "--yes") == 0
    assert catalog.bucket.objects() == before
    capsys.readouterr()
    assert catalog.say("prune", "--only", "sweep", "--json") == 0
    assert document(capsys)["deleted"] == {"objects": 1, "bytes": None}
    assert catalog.bucket.objects() == before
    assert catalog.say("prune", "--only", "sweep", "--yes") == 0
    assert len(before) - len(catalog.bucket.objects()) == 1
    assert catalog.say("prune", "--only", "condemn", "--yes") == 0
    assert catalog.bucket.pointer().condemned == ()


def test_without_retention_no_snapshot_goes(
    catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    del catalog.place.config["snapshots"]["keep_last"]
    catalog.config.write_text(yaml.safe_dump(catalog.place.config))
    assert catalog.say("prune", "--yes", "--json") == 0

    assert json.loads(capsys.readouterr().out)["going"] == []


def test_a_held_dataset_is_not_pruned(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog.say("hold", "--reason", "look first") == 0
    assert catalog.say("prune") == 0
    assert "held: look first" in capsys.readouterr().out

    catalog.place.tells("prune-held", "snapshots", "prune", "--yes", code=14)


def test_a_damaged_snapshot_stops_the_prune(catalog: Catalog) -> None:
    manifest = catalog.bucket.file(f"{DATASET}/snapshots/{catalog.ids[1]}/manifest")
    manifest.write_bytes(b"?" + manifest.read_bytes()[1:])

    catalog.place.tells("prune-damaged", "snapshots", "prune", "--yes", code=5)


def test_another_half_than_the_two_is_a_mistake(
    catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    assert catalog.say("prune", "--only", "delete") == 2
    assert "use condemn or sweep" in capsys.readouterr().err
