"""An audit of what was committed: each record's shard and sequence number, in the same commit.

Rows are upserts, so a record that is applied twice leaves no trace in them; here it does. The audit
is a table in the dataset's own file, so it is frozen, restored and goes on with it. `install` adds
it to both engines in a process of the crash tests.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

Committed = tuple[str, str]
"""Shard and sequence number."""

_NAME = "crash_audit"
_CREATE = f"CREATE TABLE IF NOT EXISTS {_NAME} (shard TEXT, sequence TEXT, version BIGINT)"
_ADD = f"INSERT INTO {_NAME} VALUES (?, ?, ?)"
# One statement: DuckDB takes a millisecond for each row of `executemany`.
_ADD_ALL = f"INSERT INTO {_NAME} SELECT unnest(?), unnest(?), unnest(?)"
_READ = f"SELECT shard, sequence, version FROM {_NAME}"


@dataclass
class _Read:
    """The records of the batch that was decoded last, and that batch."""

    batch: object = None
    records: Sequence[Committed] = field(default_factory=tuple)

    def of(self, batch: object) -> Sequence[Committed]:
        return self.records if batch is self.batch else ()


def install() -> None:
    """Let both engines write the audit."""
    from cdc import decode, duckdb_accelerator, duckdb_state, sqlite_writes

    last = _Read()
    committing: list[Any] = []
    changes, write_checkpoint = decode.Decoder.changes, duckdb_state.write_checkpoint
    commit, finish = duckdb_accelerator.DuckdbAccelerator._commit, sqlite_writes.Writes._finish

    def noted_changes(self: Any, pages: Any, columns: Any) -> Any:
        batch = changes(self, pages, columns)
        last.batch = batch
        last.records = [(page.shard_id, one.sequence) for page in pages for one in page.records]
        return batch

    def noted_commit(self: Any, batch: Any, *rest: Any) -> None:
        committing[:] = [batch]
        commit(self, batch, *rest)

    def audited_checkpoint(cursor: Any, checkpoint: Any, *rest: Any) -> None:
        rows = [(*record, checkpoint.version) for record in last.of(committing[0])]
        if rows:
            cursor.execute(_CREATE)
            cursor.execute(_ADD_ALL, [*map(list, zip(*rows, strict=True))])
        write_checkpoint(cursor, checkpoint, *rest)

    def audited_finish(self: Any, known: Any, batch: Any, checkpoint: Any) -> Any:
        rows = [(*record, checkpoint.version) for record in last.of(batch)]
        if rows:
            self._connection.execute(_CREATE)
            self._connection.executemany(_ADD, rows)
        return finish(self, known, batch, checkpoint)

    decode.Decoder.changes = noted_changes  # type: ignore[method-assign]
    duckdb_accelerator.DuckdbAccelerator._commit = noted_commit  # type: ignore[method-assign, assignment]
    duckdb_state.write_checkpoint = audited_checkpoint  # type: ignore[assignment]
    sqlite_writes.Writes._finish = audited_finish  # type: ignore[method-assign]


def committed(path: Path) -> dict[Committed, list[int]]:
    """Each record in a closed file, with the versions of the commits that brought it."""
    rows: list[Any]
    if path.read_bytes()[:6] == b"SQLite":
        connection = sqlite3.connect(path)
        try:
            there = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", [_NAME])
            rows = connection.execute(_READ).fetchall() if there.fetchall() else []
        finally:
            connection.close()
    else:
        with duckdb.connect(str(path), read_only=True) as database:
            found = database.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [_NAME])
            rows = database.execute(_READ).fetchall() if found.fetchall() else []
    versions: dict[Committed, list[int]] = {}
    for shard, sequence, version in rows:
        versions.setdefault((shard, sequence), []).append(version)
    return versions
