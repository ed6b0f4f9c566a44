"""A DuckDB file and what writes into it, for tests that do not say another engine themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc.duckdb_accelerator import DuckdbAccelerator
from tests.cdc.duckdb_files import opened
from tests.contracts.accelerator import Producer


@pytest.fixture
def accelerator(tmp_path: Path) -> Iterator[DuckdbAccelerator]:
    made = opened(tmp_path / "file.db", create=True)
    yield made
    made.close()


@pytest.fixture
def producer(accelerator: DuckdbAccelerator) -> Producer:
    return Producer(accelerator, scan_ended_at=1000.0)
