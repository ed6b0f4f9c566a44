"""Files of a gigabyte for the benchmark of snapshots, made once and kept below `.cache`.

`live`: Snowmelt's file as a bootstrap leaves it. `compact`: the same rows as a file of one table,
for who copies whole files. Both are whole, without a log. A kept file is used again while the code
that shapes it is the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.workload import rows
from benchmarks.workload.content import DATASET
from benchmarks.workload.pages import KEYS
from benchmarks.workload.states import checkpoint
from cdc.batch import Batch
from cdc.engines import fold_log, open_accelerator

_ROOT = Path(__file__).parents[2]
KEPT = _ROOT / ".cache" / "benchmarks" / "files"
_SHAPED_BY = {
    "duckdb": ("duckdb_file", "duckdb_sql", "duckdb_state", "duckdb_upkeep"),
    "sqlite": ("sqlite_file", "sqlite_schema", "sqlite_writes"),
}


def prepare(params: dict[str, Any]) -> dict[str, Any]:
    """Paths and sizes. `keep` false: in `directory` instead, for tests."""
    engine, total = params["engine"], params["rows"]
    home = KEPT if params["keep"] else Path(params["directory"])
    home.mkdir(parents=True, exist_ok=True)
    name = f"{engine}-{total}"
    found = home / f"{name}-{shape(engine)}"
    if not found.exists():
        for old in home.glob(f"{name}-*"):
            shutil.rmtree(old)
        making = home / f"{name}-making"
        making.mkdir()
        (making / "sizes.json").write_text(json.dumps(_make(engine, total, making)))
        making.rename(found)
    sizes: dict[str, int] = json.loads((found / "sizes.json").read_text())
    return {"live": str(found / "live"), "compact": str(found / "compact"), **sizes}


def shape(engine: str) -> str:
    """Names the code that shapes a file; made files are used again while it is the same."""
    files = [_ROOT / "cdc" / f"{name}.py" for name in _SHAPED_BY[engine]]
    text = b"".join(path.read_bytes() for path in (*files, Path(rows.__file__)))
    return hashlib.sha256(text).hexdigest()[:12]


def _make(engine: Any, total: int, home: Path) -> dict[str, int]:
    live, compact = home / "live", home / "compact"
    live_bytes = bootstrap(engine, live, rows.all_rows(total, batch_rows=200_000))
    if engine == "duckdb":
        with duckdb.connect(str(compact)) as connection:
            connection.execute(f"ATTACH '{live}' AS source (READ_ONLY)")
            connection.execute(f"CREATE TABLE {DATASET} AS SELECT * FROM source.{DATASET}")
    else:
        with closing(sqlite3.connect(live)) as connection:
            connection.execute(f"VACUUM INTO '{compact}'")
    return {"live_bytes": live_bytes, "compact_bytes": compact.stat().st_size}


def bootstrap(engine: Any, live: Path, batches: Iterable[Batch]) -> int:
    """Make Snowmelt's file as a bootstrap leaves it, whole; returns the bytes in use."""
    accelerator = open_accelerator(engine, live, DATASET, keys=KEYS, create=True)
    current = checkpoint(time.time())
    for batch in batches:
        accelerator.append_scan(batch, current)
        current = current.next()
    while accelerator.maintain(idle=True).is_pending:
        pass
    with accelerator.freeze() as image:
        used, part = image.parts[0].used, image.parts[0]
        live_bytes = part.length if used is None else len(used) * part.block_size
    accelerator.close()
    if Path(f"{live}.wal").exists():
        fold_log(engine, live)
    return live_bytes
