"""Tools of the accelerator suite: batches from plain items, files copied out of a freeze."""

import base64
import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import duckdb
import msgspec

from cdc import checkpoint as checkpoints
from cdc.accelerator import Accelerator, Engine, FrozenImage, FrozenPart, QueryLimits, QueryRefused
from cdc.batch import Batch, Poison
from cdc.checkpoint import Checkpoint, Lineage, ScanProgress
from cdc.columns import Columns
from cdc.decode import Decoder, ShardRecords
from cdc.engines import open_accelerator, sidecars
from cdc.keys import Item, KeyAttribute, KeySchema
from cdc.rebuild import canonical_item
from cdc.records import StreamRecord

ENGINES: tuple[Engine, ...] = ("duckdb", "sqlite")
DATASET = "flights"
BY_ID = KeySchema(KeyAttribute("id", "S"))
_PATIENT = QueryLimits(seconds=60.0)  # a busy machine is slow, not wrong
CHECKPOINT_TABLES = {
    "duckdb": "SELECT text FROM _snowmelt.checkpoint",
    "sqlite": "SELECT checkpoint FROM _snowmelt_checkpoint",
}


def item(key: object, **attributes: object) -> Item:
    """A typed item with a text key `id`: str, int, float as text, bool, bytes, or typed already."""
    return {"id": {"S": str(key)}, **{name: typed(value) for name, value in attributes.items()}}


def typed(value: object) -> dict[str, Any]:
    match value:
        case dict():
            return value
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": base64.b64encode(value).decode()}
        case _:
            return {"S": str(value)}


@dataclass
class Producer:
    """Writes batches with growing checkpoints, and remembers what should be in the file."""

    accelerator: Accelerator
    keys: KeySchema = BY_ID
    scan_ended_at: float | None = None
    version: int = 0
    columns: Columns = field(default_factory=Columns)
    expected: dict[bytes, Item] = field(default_factory=dict)
    touched: set[bytes] = field(default_factory=set)

    def put(self, *items: Item, **facts: Any) -> None:
        self.change(items, (), **facts)

    def delete(self, *keys: Item) -> None:
        self.change((), keys)

    def change(self, items: Iterable[Item], deleted: Iterable[Item], **facts: Any) -> None:
        """One batch of the stream; an identity occurs once in it, as the decoder promises."""
        items, deleted = list(items), list(deleted)
        batch, checkpoint = self.batch(items, deleted, **facts), self.next_checkpoint()
        self.accelerator.apply(batch, checkpoint)
        self.columns = batch.columns
        self.version = checkpoint.version
        news = {self.keys.identity(one): canonical_item(one) for one in items}
        gone = {self.keys.identity(one) for one in deleted}
        self.expected = {k: v for k, v in {**self.expected, **news}.items() if k not in gone}
        self.touched |= news.keys() | gone

    def scan(self, *items: Item) -> None:
        """One page of the scan: what the stream has touched stays as it is."""
        batch, checkpoint = self.batch(list(items), []), self.next_checkpoint()
        self.accelerator.append_scan(batch, checkpoint)
        self.columns = batch.columns
        self.version = checkpoint.version
        pages = {self.keys.identity(one): canonical_item(one) for one in items}
        self.expected |= {k: v for k, v in pages.items() if k not in self.touched}

    def end_scan(self) -> None:
        self.scan_ended_at = 1000.0
        self.change((), ())

    def next_checkpoint(self) -> Checkpoint:
        return checkpoint_at(self.version + 1, self.scan_ended_at)

    def batch(self, items: list[Item], deleted: list[Item], **facts: Any) -> Batch:
        return batch_of(self.keys, self.columns, items, deleted, **facts)


def checkpoint_at(version: int, scan_ended_at: float | None = None) -> Checkpoint:
    lineage = Lineage("flights", "table-1", "arn:stream", "20260801T120000Z-0000")
    return Checkpoint(lineage, 1, version, ScanProgress(0.0, (), scan_ended_at))


def batch_of(
    keys: KeySchema, columns: Columns, items: list[Item], deleted: list[Item], **facts: Any
) -> Batch:
    """A batch as the decoder makes it; `facts` replace those that it found."""
    changes = [*(("MODIFY", one) for one in items), *(("REMOVE", one) for one in deleted)]
    records = [
        StreamRecord(
            "REMOVE" if name == "REMOVE" else "MODIFY",
            f"{at:021d}",
            0.0,
            _raw({part.name: one[part.name] for part in keys.attributes}),
            None if name == "REMOVE" else _raw(one),
        )
        for at, (name, one) in enumerate(changes)
    ]
    batch = _decoder(keys).changes([ShardRecords("shard", records)], columns)
    assert batch.poison == ()
    return replace(batch, **{"misfits": {}, **facts})


@cache
def _decoder(keys: KeySchema) -> Decoder:
    return Decoder(keys)


def _raw(one: Item) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(one, separators=(",", ":")).encode())


def poison(sequence: int) -> Poison:
    return Poison("shardId-00000000000000000001-abc", f"{sequence:021d}", "not JSON", b"\xff{")


# ---------------------------------------------------------------- freezes


def copy_out(image: FrozenImage, path: Path) -> Path:
    """The image as files: used blocks where they were, zeros elsewhere, the tail as the log."""
    (log, *_) = sidecars(image.engine, path)
    for part in image.parts:
        with (path if part.name == "main" else log).open("wb") as out:
            out.truncate(part.length)
            for number, offset, size in spans(part):
                if part.used is None or number in part.used:
                    data = part.read(offset, size)
                    assert len(data) == size
                    out.seek(offset)
                    out.write(data)
    image.verify_unchanged()
    return path


def spans(part: FrozenPart) -> list[tuple[int, int, int]]:
    """Number, offset and size of every block."""
    ends = [(0, part.preamble)] if part.preamble else []
    ends += [
        (start, start + part.block_size)
        for start in range(part.preamble, part.length, part.block_size)
    ]
    return [(at, start, min(end, part.length) - start) for at, (start, end) in enumerate(ends)]


def opened_plainly(engine: Engine, path: Path) -> tuple[str, int]:
    """Checkpoint text and row count, read by the engine alone, without our code."""
    statements = (CHECKPOINT_TABLES[engine], f'SELECT count(*) FROM "{DATASET}"')
    connection: Any = duckdb.connect(str(path)) if engine == "duckdb" else sqlite3.connect(path)
    try:
        if engine == "sqlite":
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (((text,),), ((count,),)) = [connection.execute(s).fetchall() for s in statements]
        return text, count
    finally:
        connection.close()


def contents(accelerator: Accelerator) -> dict[bytes, Item]:
    """Every item by identity; fails if one occurs twice."""
    found = [one for page in accelerator.items(page_rows=1000) for one in page]
    by_identity = {accelerator.keys.identity(one): canonical_item(one) for one in found}
    assert len(by_identity) == len(found)
    return by_identity


def reopened(engine: Engine, path: Path) -> Accelerator:
    return open_accelerator(engine, path, DATASET)


@dataclass
class Readers:
    """Threads that query without a pause until the context ends."""

    accelerator: Accelerator
    count: int = 3
    rounds: int = 0
    errors: list[Exception] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._read) for _ in range(self.count)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        sql = f'SELECT count(*), max(id) FROM "{DATASET}"'
        while not self._stop.is_set():
            try:
                self.accelerator.query(sql, _PATIENT)
                self.rounds += 1
            except QueryRefused as error:
                if error.status != 429:  # more readers than the engine admits at once
                    self.errors.append(error)
                    return
            except Exception as error:  # noqa: BLE001 - reported by the test
                self.errors.append(error)
                return


def stored_text(checkpoint: Checkpoint) -> str:
    return checkpoints.encode(checkpoint)
