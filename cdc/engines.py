"""The engines by name: open a file, name its sidecars, fold its log.

Engines are imported when they are asked for, so that a node with one engine loads one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from cdc import live_files
from cdc.accelerator import Accelerator, Engine
from cdc.columns import Columns
from cdc.errors import FileUnusable
from cdc.keys import KeySchema
from cdc.rebuild import ItemSetDigest
from cdc.storage_versions import STORAGE_VERSION

DATASET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_SIDECARS = {
    "duckdb": (".wal", ".wal.checkpoint", ".wal.recovery"),
    "sqlite": ("-wal", "-shm", "-journal"),
}


def open_accelerator(
    engine: Engine,
    path: Path,
    dataset: str,
    *,
    keys: KeySchema | None = None,
    create: bool = False,
    memory_limit: str | None = None,
    storage_version: str = STORAGE_VERSION,
) -> Accelerator:
    """The dataset in the file, alone: no other process can open it meanwhile.

    `create`: a missing file is made, and then needs `keys`; an existing one knows its own. Memory
    limit (e.g. "2GB") and storage version are DuckDB's; a file keeps the version it was made with.
    Raises FileBusy, FileUnusable (also for another dataset, other keys, a bad name), NoSpace,
    FormatUnknown.
    """
    _check_engine(engine)
    if DATASET_NAME.fullmatch(dataset) is None:
        raise FileUnusable(
            f"{dataset!r} is no dataset name",
            hint="use 1 to 63 letters, digits, `_` and `-`, not starting with a digit or `-`",
        )
    if engine == "sqlite":
        from cdc.sqlite_accelerator import SqliteAccelerator

        with live_files.opening(path):
            return SqliteAccelerator.open(path, dataset, keys=keys, create=create)
    from cdc.duckdb_accelerator import DuckdbAccelerator

    with live_files.opening(path):
        return DuckdbAccelerator.open(
            path,
            dataset,
            keys=keys,
            create=create,
            memory_limit=memory_limit,
            storage_version=storage_version,
        )


def sidecars(engine: Engine, path: Path) -> tuple[Path, ...]:
    """Files that the engine keeps beside `path`, existing or not; the log is the first."""
    _check_engine(engine)
    return tuple(Path(f"{path}{suffix}") for suffix in _SIDECARS[engine])


def fold_log(engine: Engine, path: Path) -> None:
    """Open a closed file alone, write its log into it and close it: one file remains.

    Raises what `open_accelerator` raises.
    """
    _check_engine(engine)
    if engine == "sqlite":
        from cdc import sqlite_file

        sqlite_file.fold_log(path)
    else:
        from cdc import duckdb_file

        duckdb_file.fold_log(path)


def fold_overwrites(engine: Engine, log: Path) -> list[tuple[int, int]]:
    """Ranges (offset, size) of a main file that folding this log writes over, as far as is known.

    DuckDB writes where nothing is, but for its headers. Raises OSError.
    """
    _check_engine(engine)
    if engine == "sqlite":
        from cdc import sqlite_wal

        return sqlite_wal.page_ranges(log)
    from cdc import duckdb_blocks

    return [(0, duckdb_blocks.PREAMBLE)]


def examine(
    engine: Engine,
    path: Path,
    dataset: str,
    columns: Columns,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> ItemSetDigest:
    """Read all of a closed file, as the engine checks it, and digest its items.

    `progress`: of items so far. Raises FileUnusable if the engine finds damage, FileBusy.
    """
    _check_engine(engine)
    if engine == "sqlite":
        from cdc import sqlite_examine

        return sqlite_examine.examine(path, dataset, columns, progress)
    from cdc import duckdb_examine

    return duckdb_examine.examine(path, dataset, columns, progress)


def _check_engine(engine: str) -> None:
    if engine not in get_args(Engine):
        raise FileUnusable(f"there is no engine {engine!r}", hint="use duckdb or sqlite")
