"""Real accelerators with rows in them, published to a real store."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from cdc.accelerator import Accelerator, Engine
from cdc.batch import Batch, schema_of
from cdc.checkpoint import Checkpoint, Lineage
from cdc.columns import Column, Columns
from cdc.engines import open_accelerator, sidecars
from cdc.keys import KeyAttribute, KeySchema
from snapshotter.publish import Publisher
from snapshotter.store import ObjectStore
from tests.snapshotter.images import checkpoint

DATASET = "pipelines"
KEYS = KeySchema(KeyAttribute("id", "S"))
COLUMNS = Columns((Column("id", "text"), Column("amount", "integer"), Column("note", "text")))

Row = tuple[str, int, str]


def rows_of(first: int, count: int, seed: int) -> list[Row]:
    """Rows with these numbers as keys; `seed` decides their values."""
    values = random.Random(seed)
    return [
        (f"item#{number:07d}", values.randrange(10**12), values.randbytes(40).hex())
        for number in range(first, first + count)
    ]


def batch_of(rows: list[Row]) -> Batch:
    """A batch that puts these rows."""
    ids, amounts, notes = (list(column) for column in zip(*rows, strict=True))
    identities = [KEYS.identity({"id": {"S": id_}}) for id_ in ids]
    empty = [None] * len(ids)
    table = pa.table(
        [identities, [False] * len(ids), ids, amounts, notes, empty], schema=schema_of(COLUMNS)
    )
    return Batch(table, COLUMNS, records=len(ids))


@dataclass
class Producer:
    """A node's file and publisher, without a stream."""

    store: ObjectStore
    path: Path
    engine: Engine
    version: int = 0
    lineage: Lineage | None = None
    publisher: Publisher = field(init=False)
    accelerator: Accelerator = field(init=False)
    closed: bool = False

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.store, DATASET, holder="test")
        self.publisher.take_over()
        self.accelerator = open_accelerator(self.engine, self.path, DATASET, keys=KEYS, create=True)

    def checkpoint(self) -> Checkpoint:
        """The next checkpoint, proven just now."""
        self.version += 1
        return checkpoint(self.store.now(), self.version, of=self.lineage)

    def put(self, first: int, count: int, seed: int = 0) -> Checkpoint:
        """Commit rows."""
        at = self.checkpoint()
        self.accelerator.apply(batch_of(rows_of(first, count, seed)), at)
        return at

    def publish(self, *, full: bool = False) -> str:
        """Snapshot the file as it is; returns the snapshot's id."""
        with self.accelerator.freeze() as image:
            return self.publisher.publish(image, reason="test", full=full).snapshot_id

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.accelerator.close()


def plain_rows(path: Path, engine: Engine) -> list[Row]:
    """What the engine itself, without this program, reads from a copy of the file and its log."""
    copy = path.with_name(f"plain-{path.name}")
    shutil.copy(path, copy)
    log, log_copy = sidecars(engine, path)[0], sidecars(engine, copy)[0]
    if log.exists():
        shutil.copy(log, log_copy)
    statement = f'SELECT id, amount, note FROM "{DATASET}" ORDER BY id'
    try:
        if engine == "duckdb":
            with closing(duckdb.connect(str(copy), read_only=True)) as plain:
                return plain.execute(statement).fetchall()
        with closing(sqlite3.connect(copy)) as database:
            return database.execute(statement).fetchall()
    finally:
        for file in path.parent.glob(f"plain-{path.name}*"):
            file.unlink()


def stored_checkpoint(path: Path, engine: Engine) -> Checkpoint | None:
    """The checkpoint inside a file."""
    accelerator = open_accelerator(engine, path, DATASET)
    try:
        return accelerator.checkpoint()
    finally:
        accelerator.close()
