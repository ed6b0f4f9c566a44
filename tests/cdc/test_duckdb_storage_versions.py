"""Files in each storage version: made, written, folded, opened by this engine and an older one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import duckdb
import pytest

from cdc.duckdb_accelerator import DuckdbAccelerator
from cdc.engines import fold_log, open_accelerator
from cdc.storage_versions import STORAGE_VERSION, StorageVersion
from tests.contracts.accelerator import BY_ID, DATASET, Producer, contents, item
from tests.servers.availability import missing

VERSIONS: tuple[StorageVersion, ...] = get_args(StorageVersion)


def made(path: Path, version: StorageVersion) -> DuckdbAccelerator:
    """A file with rows in its base and in its log."""
    file = open_accelerator(
        "duckdb", path, DATASET, keys=BY_ID, create=True, storage_version=version
    )
    assert isinstance(file, DuckdbAccelerator)
    producer = Producer(file, scan_ended_at=1000.0)
    producer.put(*(item(f"k{number}", n=number, text="x" * 40) for number in range(200)))
    file.maintain(idle=True)
    producer.put(item("late", n=-1))
    return file


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_keeps_the_storage_version_it_was_made_with(
    tmp_path: Path, version: StorageVersion
) -> None:
    path = tmp_path / "file.db"
    file = made(path, version)
    held = contents(file)
    with file.freeze() as image:
        assert image.storage_version == version
    file.close()
    fold_log("duckdb", path)

    again = open_accelerator("duckdb", path, DATASET, storage_version=STORAGE_VERSION)
    with again.freeze() as image:
        assert image.storage_version == version
    assert contents(again) == held
    again.close()


def test_every_storage_version_is_read_by_the_engine_of_its_number_and_later() -> None:
    engine = tuple(map(int, duckdb.__version__.split(".")[:3]))
    numbers = [tuple(map(int, version.removeprefix("v").split("."))) for version in VERSIONS]

    assert numbers == sorted(numbers)
    assert numbers[-1] <= engine


# ---------------------------------------------------------------- an older engine

OLDER = "1.5.5"
_LOOK = f"""
import json, sys, duckdb
assert duckdb.__version__ == {OLDER!r}
with duckdb.connect(sys.argv[1]) as plain:
    rows = plain.execute('SELECT id, n FROM {DATASET} ORDER BY id').fetchall()
    plain.execute("CHECKPOINT")
print(json.dumps(rows))
"""


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the engine of the release before, and nothing else."""
    directory = tmp_path_factory.mktemp("older")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    wanted = ["--no-deps", "--target", str(directory), f"duckdb=={OLDER}"]
    answer = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
    if answer.returncode:
        missing(f"the package registry gave no DuckDB {OLDER}: {answer.stderr[-500:]}")
    return directory


def look(older: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """Open a file with the older engine, read its view and fold its log."""
    environment = os.environ | {"PYTHONPATH": str(older)}
    command = [sys.executable, "-c", _LOOK, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.network
def test_the_engine_before_reads_and_folds_a_file_and_this_one_goes_on_with_it(
    older: Path, tmp_path: Path
) -> None:
    path = tmp_path / "file.db"
    file = made(path, STORAGE_VERSION)
    held = contents(file)
    file.close()
    assert path.with_name("file.db.wal").stat().st_size > 0

    answer = look(older, path)

    rows = dict(json.loads(answer.stdout)) if answer.returncode == 0 else answer.stderr
    assert rows == {f"k{number}": number for number in range(200)} | {"late": -1}
    again = open_accelerator("duckdb", path, DATASET)
    assert contents(again) == held
    again.close()


@pytest.mark.network
def test_the_engine_before_refuses_a_file_in_the_newest_storage_version(
    older: Path, tmp_path: Path
) -> None:
    made(tmp_path / "file.db", VERSIONS[-1]).close()

    assert "newer version" in look(older, tmp_path / "file.db").stderr
