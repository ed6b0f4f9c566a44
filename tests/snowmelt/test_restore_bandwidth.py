"""A limit on the command line holds for every restore of this user and host."""

from __future__ import annotations

import json
import struct
import tempfile
import time
from pathlib import Path

import pytest

from restorer.bandwidth import host_ledger
from snapshotter.store import ObjectStore
from snowmelt.cli import execute
from tests.restorer.accelerators import DATASET
from tests.restorer.conftest import Produce, produce, store

__all__ = ["produce", "store"]


def test_a_restore_reserves_what_its_bytes_take(
    store: ObjectStore,
    produce: Produce,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    produce("sqlite", rows=500).publish()
    words = ["restore", "--location", store.url, "--dataset", DATASET, "--progress", "none"]
    started = time.monotonic()

    words += ["--bandwidth", "0.05", "--output", str(tmp_path / "file"), "--json"]
    assert execute(words) == 0

    found = json.loads(capsys.readouterr().out)
    (free_at,) = struct.unpack("<d", host_ledger().read_bytes())
    assert host_ledger().parent == tmp_path
    assert free_at - started >= found["bytes_fetched"] / 0.05e6


def test_no_bandwidth_at_all_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["restore", "--location", "file:///b", "--bandwidth", "0"]) == 2

    assert "bandwidth" in capsys.readouterr().err
