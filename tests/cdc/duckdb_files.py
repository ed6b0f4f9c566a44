"""A DuckDB file as an accelerator, and a look at its own tables."""

from pathlib import Path
from typing import Any

from cdc.duckdb_accelerator import DuckdbAccelerator
from cdc.engines import open_accelerator
from tests.contracts.accelerator import BY_ID, DATASET


def opened(path: Path, *, create: bool = False) -> DuckdbAccelerator:
    found = open_accelerator("duckdb", path, DATASET, keys=BY_ID, create=create)
    assert isinstance(found, DuckdbAccelerator)
    return found


def inside(accelerator: DuckdbAccelerator, sql: str) -> list[tuple[Any, ...]]:
    """What a statement gives in the file's own database, hidden tables included."""
    with accelerator._database.cursor() as cursor:
        return cursor.execute(sql).fetchall()
