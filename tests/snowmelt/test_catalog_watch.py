"""What a node says of its snapshots in the store: proven, verified, and how old."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from snapshotter import proofs
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import StoreUnreachable
from snapshotter.format import Pointer, Verified
from snowmelt.catalog_watch import CatalogBoard
from snowmelt.cli.tables import print_status
from snowmelt.metrics import page
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.faults import FaultyStore
from tests.snapshotter.test_publish import MAIN, edited
from tests.snowmelt.metrics_doc import EXAMPLE

DIGEST = "0123456789abcdef" * 2


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    bucket = Bucket.at(tmp_path / "bucket")
    publisher = bucket.publisher()
    for version in (1, 2):
        bucket.publish(publisher, edited(MAIN, version), version)
    return bucket


def say(bucket: Bucket, change: partial[Pointer]) -> None:
    change_catalog(bucket.store, DATASET, change)


def told(board: CatalogBoard) -> list[str]:
    """The metrics of the catalog, without the page's other lines."""
    text = page(lambda: [replace(EXAMPLE, catalog=board.described())], {})().decode()
    names = ("newest_timestamp", "proven_timestamp", "verified_timestamp", "verified_faults")
    return [
        line.partition("{")[0].removeprefix("dataset_acceleration_snapshot_")
        for line in text.splitlines()
        if line.startswith(tuple(f"dataset_acceleration_snapshot_{name}{{" for name in names))
    ]


def test_what_was_never_seen_is_left_out(bucket: Bucket) -> None:
    board = CatalogBoard()
    assert (board.described(), told(board)) == (None, [])

    board.look(bucket.store, DATASET)

    assert told(board) == ["newest_timestamp"]


def test_the_newest_and_the_newest_proven_are_told_apart(bucket: Bucket) -> None:
    newest, older = bucket.pointer().catalog
    say(bucket, partial(proofs.proven, snapshot_id=older.snapshot_id, at=9.0, digest=DIGEST))
    board = CatalogBoard()

    board.look(bucket.store, DATASET)

    facts = board.facts
    assert facts is not None
    assert (facts.newest_id, facts.newest_created_at) == (newest.snapshot_id, newest.created_at)
    assert (facts.proven_id, facts.proven_created_at) == (older.snapshot_id, older.created_at)
    assert (facts.proven_at, facts.content_digest) == (9.0, DIGEST)
    assert len(told(board)) == 4


def test_a_store_that_is_away_leaves_the_last_word(bucket: Bucket) -> None:
    board = CatalogBoard()
    board.look(bucket.store, DATASET)
    before = board.facts

    def down(_: int, name: str, key: str) -> None:
        raise StoreUnreachable("gone")

    board.look(FaultyStore(bucket.store, before=down), DATASET)

    assert before is not None
    assert board.facts == before


def test_damage_is_told_by_status(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    newest = bucket.pointer().catalog[0].snapshot_id
    say(bucket, partial(proofs.verified, snapshot_id=newest, look=Verified(9.0, "full", 2)))
    board = CatalogBoard()
    board.look(bucket.store, DATASET)

    print_status([replace(EXAMPLE, refresh=None, catalog=board.described()).to_json()])

    told = "pipelines: the last verification of a snapshot found 2 faults"
    assert told in capsys.readouterr().out
