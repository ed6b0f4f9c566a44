"""The contract of a local database file that holds one dataset: rows and checkpoint together.

Atomicity: `apply` and `append_scan` commit rows, new columns, quarantined records, stamps and
checkpoint in one transaction, or nothing. Idempotence: none is needed, because a checkpoint names
what was covered; after an error at commit the outcome is unknown: reopen and read `checkpoint()`.
Threads: one writes at a time, `stamps` included, and one maintains, beside it only if
`commits_beside_upkeep`; `query`, `read`, `items`, `freeze` and `row_count` may run beside both, and
so may what tells the state (`checkpoint`, `columns`).
Errors: FileUnusable, FileBusy, NoSpace, FormatUnknown of `cdc.errors`; `QueryRefused` for SQL.

Until the scan has ended (`checkpoint.scan.ended_at`), the scan appends unchecked and the stream
wins in the view, its deletes included; afterwards `maintain` may fold. Everyone reads through the
view that is named like the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import pyarrow as pa

from cdc.batch import Batch
from cdc.checkpoint import Checkpoint
from cdc.cleaning import Cleaning
from cdc.columns import Columns
from cdc.keys import Item, KeySchema

Engine = Literal["duckdb", "sqlite"]


class QueryRefused(Exception):
    """A statement that is not a single bounded read. `status` is the HTTP status that fits."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Bounds of one query: rows and bytes of the result, seconds of run time."""

    rows: int = 10_000
    result_bytes: int = 16 * 1024 * 1024
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Column names and rows of plain JSON-ready values. `truncated`: the row limit cut it."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    truncated: bool


class FrozenPart(Protocol):
    """One file of a frozen image, readable while the writer goes on.

    `length` bytes count. The engine's file is `preamble` bytes and then blocks of `block_size`
    bytes (the last may be short). `used` holds the numbers of the blocks that matter, None for
    all; the others may change while being read.

    A part that can tell what its engine wrote has two more methods. `mark()` stands for this
    freeze; `changed_since(mark)`, asked of a part of a later one, gives the numbers of the blocks
    that may differ from those at the mark, or None if any may. One whose freeze costs room on the
    disk has `check_room()`, which raises NoSpace when that is too much.
    """

    name: Literal["main", "tail"]
    length: int
    block_size: int
    preamble: int
    used: frozenset[int] | None

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; fewer only at the end of the part."""


@dataclass(frozen=True, slots=True)
class FrozenImage:
    """A consistent state of the file: `parts` together are exactly the commit of `checkpoint`."""

    engine: Engine
    engine_version: str
    storage_version: str
    checkpoint: Checkpoint
    columns: Columns
    keys: KeySchema
    row_count: int
    parts: tuple[FrozenPart, ...]

    def verify_unchanged(self) -> None:
        """Raise FreezeBroken if a part that matters was written meanwhile."""
        for part in self.parts:
            check = getattr(part, "verify_unchanged", None)
            if check is not None:
                check()

    def reopened(self, *, counts: bool) -> Reopened | None:
        """What the engine finds that opens these very bytes; None for bytes of no engine.

        `counts`: count the rows too where that means to read much of the file.
        """
        reopen = getattr(self.parts[0], "reopened", None)
        return None if reopen is None else cast("Reopened", reopen(self.parts[1:], counts=counts))


@dataclass(frozen=True, slots=True)
class Reopened:
    """What the engine found in the bytes of an image. `trouble`: why it could not open them.

    `row_count` None: not counted.
    """

    checkpoint: Checkpoint | None = None
    columns: Columns | None = None
    row_count: int | None = None
    trouble: str | None = None


class FreezeBroken(Exception):
    """The engine wrote its headers while the image was being read: discard it and freeze again."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What upkeep heeds, besides the rows.

    `fixed`: columns whose type stays. `indexes`: the attributes of each index that the file should
    have; None leaves those that it has. An engine without indexes makes none. `stamps_since_us`:
    stamps of older changes are forgotten, bit by bit. `gives_back`: what is free in the file takes
    no space of the disk, where the engine keeps it otherwise.
    """

    fixed: frozenset[str] = frozenset()
    indexes: tuple[tuple[str, ...], ...] | None = None
    stamps_since_us: int | None = None
    gives_back: bool = False


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What `maintain` did. `is_pending`: more is due, so call again soon.

    `is_widening`: the next call may change columns, so nothing may be decoded beside it.
    """

    folded_rows: int = 0
    checkpointed: bool = False
    wal_bytes: int = 0
    is_pending: bool = False
    is_widening: bool = False


class Accelerator(Protocol):
    """A dataset in a local file. `commits_beside_upkeep`: `apply` may run beside `maintain`."""

    engine: Engine
    commits_beside_upkeep: bool
    path: Path
    dataset: str
    keys: KeySchema
    layout: Layout
    cleaning: Cleaning

    def checkpoint(self) -> Checkpoint | None:
        """The committed checkpoint; None in a file without one."""

    def columns(self) -> Columns:
        """The committed columns."""

    def apply(self, batch: Batch, checkpoint: Checkpoint) -> None:
        """Commit changes from the stream; an empty batch commits the checkpoint alone."""

    def append_scan(self, batch: Batch, checkpoint: Checkpoint) -> None:
        """Commit one or more scan pages. Rows that the stream has touched stay as they are."""

    def read(self, key: Item) -> Item | None:
        """The exact item with this key (typed DynamoDB JSON), or None."""

    def stamps(self, identities: pa.Array, since_us: int) -> pa.Table:
        """What is remembered of these items (`cdc.ordering.STAMPS`), if `last_us` >= `since_us`."""

    def items(self, page_rows: int = 10_000) -> Iterator[list[Item]]:
        """Every exact item through the view, in pages, at one point in time."""

    def row_count(self) -> int:
        """Items in the view."""

    def query(self, sql: str, limits: QueryLimits) -> QueryResult:
        """One read-only statement, locked down. Raises QueryRefused."""

    def maintain(self, *, idle: bool) -> Maintenance:
        """Fold and checkpoint the engine's log where that is due and nobody is frozen."""

    def freeze(self) -> AbstractContextManager[FrozenImage]:
        """The state of the last commit, readable until the context ends; apply goes on."""

    def counters(self) -> Mapping[str, int]:
        """Totals kept in the file: misfits by attribute (`misfit:NAME`), `quarantined`."""

    def close(self) -> None:
        """Commit nothing, release the file."""
