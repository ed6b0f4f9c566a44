"""Opening a SQLite accelerator: make the tables of a new file, check those of an existing one."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from cdc import sqlite_schema as schema
from cdc.errors import FileEmpty, FileUnusable, FormatUnknown
from cdc.keys import KeySchema
from cdc.sqlite_file import transaction


@dataclass(frozen=True, slots=True)
class Meta:
    """What a file says of itself."""

    dataset: str
    keys: KeySchema


def prepare(
    connection: sqlite3.Connection,
    path: Path,
    dataset: str,
    *,
    keys: KeySchema | None,
    create: bool,
) -> Meta:
    """Make the tables if the file is empty and `create`; then check and return its meta.

    Raises FileEmpty, FileUnusable, FormatUnknown.
    """
    # A file that may only be read is refused here and not at the first commit.
    with transaction(connection, "BEGIN IMMEDIATE"):
        pass
    tables = {name for (name,) in connection.execute(schema.LIST_TABLES)}
    if not tables:
        if not create or keys is None:
            raise FileEmpty(f"{path}: the file is empty")
        _create(connection, path, dataset, keys)
    elif "_snowmelt_meta" not in tables:
        raise FormatUnknown(f"{path}: a SQLite database that snowmelt did not write")
    meta = _read_meta(connection, path)
    if meta.dataset != dataset:
        raise FileUnusable(
            f"{path}: the file holds dataset {meta.dataset!r}, not {dataset!r}",
            hint="give each dataset a path of its own",
        )
    if keys is not None and meta.keys != keys:
        raise FileUnusable(
            f"{path}: the file was built for other keys",
            hint="if the table was created anew, run `snowmelt bootstrap --replace`",
        )
    return meta


def _create(connection: sqlite3.Connection, path: Path, dataset: str, keys: KeySchema) -> None:
    if dataset.casefold().startswith(("_snowmelt", "sqlite_")) or not dataset.isprintable():
        raise FileUnusable(
            f"{path}: a dataset cannot be called {dataset!r}", hint="choose another name"
        )
    with transaction(connection, "BEGIN IMMEDIATE"):
        for statement in schema.create(dataset):
            connection.execute(statement)
        entries = {
            "format": str(schema.FORMAT),
            "dataset": dataset,
            "keys": json.dumps(keys.to_json(), separators=(",", ":")),
        }
        connection.executemany(schema.WRITE_META, entries.items())


def _read_meta(connection: sqlite3.Connection, path: Path) -> Meta:
    entries = dict(connection.execute(schema.READ_META).fetchall())
    found = entries.get("format")
    if found != str(schema.FORMAT):
        raise FormatUnknown(f"{path}: file format {found} is not supported")
    try:
        return Meta(entries["dataset"], KeySchema.from_json(json.loads(entries["keys"])))
    except (KeyError, ValueError, IndexError) as error:
        raise FormatUnknown(f"{path}: the file's meta table is incomplete: {error!r}") from error
