"""Engines by name."""

from pathlib import Path
from typing import Any

import pytest

from cdc.engines import DATASET_NAME, fold_log, open_accelerator, sidecars
from cdc.errors import FileUnusable


def test_sidecars_are_named_beside_the_file_the_log_first() -> None:
    names = [one.name for one in sidecars("duckdb", Path("/data/f.db"))]
    assert names == ["f.db.wal", "f.db.wal.checkpoint", "f.db.wal.recovery"]

    names = [one.name for one in sidecars("sqlite", Path("/data/f.db"))]
    assert names == ["f.db-wal", "f.db-shm", "f.db-journal"]


def test_an_unknown_engine_is_refused_everywhere(tmp_path: Path) -> None:
    unknown: Any = "postgres"
    for call in (
        lambda: open_accelerator(unknown, tmp_path / "f", "flights"),
        lambda: sidecars(unknown, tmp_path / "f"),
        lambda: fold_log(unknown, tmp_path / "f"),
    ):
        with pytest.raises(FileUnusable, match="postgres"):
            call()


def test_dataset_names_are_plain_identifiers() -> None:
    assert DATASET_NAME.fullmatch("Order-Items_2")
    assert not DATASET_NAME.fullmatch("order\n")
