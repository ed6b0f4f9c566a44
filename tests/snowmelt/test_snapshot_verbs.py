"""`snapshots pin|unpin|quarantine|rollback|hold|release` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from snowmelt.cli import execute
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.test_publish import MAIN, edited
from tests.snowmelt.places import place

QUIET = ("--progress", "none")


class Catalog:
    """Three snapshots of plain bytes in a folder, and a configuration that names it."""

    def __init__(self, home: Path) -> None:
        self.bucket = Bucket.at(home / "store")
        self.publisher = self.bucket.publisher()
        self.ids = [self._publish(version) for version in (1, 2, 3)][::-1]
        self.place = place(home)
        self.place.dataset["name"] = DATASET
        self.place.store_at(f"file://{home}/store")
        self.config = home / "node.yaml"
        self.config.write_text(yaml.safe_dump(self.place.config))

    def _publish(self, version: int) -> str:
        return self.bucket.publish(self.publisher, edited(MAIN, version), version).snapshot_id

    def say(self, *arguments: str) -> int:
        return execute(["snapshots", *arguments, "-c", str(self.config)])


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path)


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


# ---------------------------------------------------------------- what is printed


def test_marks_are_told_and_listed(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    newest, middle, oldest = catalog.ids
    assert catalog.say("pin", oldest, "--reason", "the [annual] audit") == 0
    assert catalog.say("quarantine", newest, "--reason", "rows are\nmissing") == 0
    pinned, quarantined = capsys.readouterr().out.splitlines()
    assert pinned == f"{oldest}: pinned: the [annual] audit"
    told = f"rows are missing; it is the current one, so nodes take {middle} until the next"
    assert quarantined == f"{newest}: quarantined: {told}"
    assert catalog.say("list") == 0

    listed = capsys.readouterr().out
    assert "current, quarantined: rows are missing" in listed
    assert "pinned: the [annual] audit" in listed


def test_marks_are_taken_back(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    newest, _, oldest = catalog.ids
    before = catalog.bucket.pointer().catalog
    for arguments in (("pin", oldest), ("quarantine", newest)):
        assert catalog.say(*arguments) == 0
    assert catalog.say("unpin", oldest) == 0
    assert catalog.say("quarantine", newest, "--lift") == 0
    assert catalog.say("unpin", oldest) == 0

    assert capsys.readouterr().out.splitlines()[-3:] == [
        f"{oldest}: not pinned any more",
        f"{newest}: not quarantined any more",
        f"{oldest}: nothing to change",
    ]
    assert catalog.bucket.pointer().catalog == before


def test_going_back_holds_until_the_release(
    catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    newest, middle, oldest = catalog.ids
    assert catalog.say("rollback", oldest, "--reason", "wrong prices", "--json") == 0
    why = f"rolled back to {oldest}: wrong prices"
    assert document(capsys) == {
        "dataset": DATASET,
        "snapshot_id": oldest,
        "changed": True,
        "current": oldest,
        "generation": 2,
        "hold": why,
        "quarantined": [newest, middle],
    }
    assert catalog.say("list") == 0
    assert f"held: {why}" in capsys.readouterr().out
    assert catalog.say("release") == 0
    assert capsys.readouterr().out == f"{DATASET}: released, it was held: {why}\n"
    assert catalog.bucket.pointer().hold is None


def test_going_back_without_a_hold(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog.say("rollback", catalog.ids[1], "--no-hold") == 0

    told = f"{DATASET}: back at {catalog.ids[1]} as generation 2; 1 snapshot behind it quarantined"
    assert capsys.readouterr().out == f"{told}\n"
    assert catalog.bucket.pointer().hold is None


def test_a_hold_is_told(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog.say("hold", "--reason", "look first") == 0

    assert capsys.readouterr().out == f"{DATASET}: held at {catalog.ids[0]}: look first\n"
    assert catalog.bucket.pointer().hold == "look first"


def test_a_reason_has_an_end(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog.say("hold", "--reason", "x" * 1001) == 2
    assert "--reason has 1001 characters" in capsys.readouterr().err


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("verb", ["pin", "unpin", "quarantine", "rollback"])
def test_a_snapshot_that_is_not_there_is_4(
    verb: str, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    assert catalog.say(verb, "yesterday") == 4
    assert capsys.readouterr().err == (
        f"snowmelt: error: {DATASET} has no snapshot yesterday; see `snowmelt snapshots list`\n"
    )


def test_a_rollback_to_what_is_quarantined(catalog: Catalog) -> None:
    assert catalog.say("quarantine", catalog.ids[1], "--reason", "rows are missing") == 0

    arguments = ("snapshots", "rollback", catalog.ids[1])
    catalog.place.tells("rollback-to-quarantined", *arguments, code=4)


def test_a_restore_of_what_is_quarantined(catalog: Catalog) -> None:
    assert catalog.say("quarantine", catalog.ids[1], "--reason", "rows are missing") == 0

    arguments = ("restore", "--snapshot", catalog.ids[1], "--no-bootstrap", *QUIET)
    catalog.place.tells("restore-quarantined", *arguments, code=4)


def test_a_mark_where_nobody_published(tmp_path: Path) -> None:
    nowhere = place(tmp_path)
    nowhere.store_at(f"file://{tmp_path}/store")

    nowhere.tells("hold-of-nothing", "snapshots", "hold", code=4)


# ---------------------------------------------------------------- what lies between two


def test_a_difference_is_told(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    newest, middle, oldest = catalog.ids
    assert catalog.say("diff", oldest) == 0

    first, *facts = capsys.readouterr().out.splitlines()
    told = dict(line.split(maxsplit=1) for line in facts)
    assert first == f"{oldest} -> {newest}"
    assert told["version"] == "+2"
    assert told["rows"] == "+0"
    assert told["blocks"] == "2 changed, 0 added, 0 removed, 38 unchanged"
    assert told["columns"] == "the same"
    assert catalog.say("diff", newest, middle, "--json") == 0
    found = document(capsys)
    assert (found["old"], found["new"], found["versions"]) == (newest, middle, -1)
    assert found["blocks"]["changed"] == 2
    assert catalog.say("diff", "yesterday") == 4
