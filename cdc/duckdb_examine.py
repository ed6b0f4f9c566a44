"""A closed DuckDB file read from end to end: is every block whole, and which items are there.

DuckDB has no check of its own. It compares a block with its checksum when it reads it, so reading
every column of every table reads every block that is used. Items are digested by the engine on all
cores, but for those with nested values or `_rest`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from cdc.columns import Column, Columns
from cdc.content import Dialect, Texts, texts
from cdc.duckdb_errors import translating
from cdc.duckdb_sql import literal, quoted
from cdc.rebuild import ItemSetDigest, rebuild

_PAGE_ROWS = 10_000
_LOW = 2**64 - 1


def _decimal(name: str, cell: str, column: Column) -> str:
    text = f"{cell}::VARCHAR"
    if column.scale:
        text = f"rtrim(rtrim({text}, '0'), '.')"
    return f"'{name}N' || {text} || ';'"


_DIALECT: Dialect = {
    "text": lambda name, cell, _: f"'{name}S' || strlen({cell}) || ':' || {cell}",
    "integer": lambda name, cell, _: f"'{name}N' || {cell} || ';'",
    "decimal": _decimal,
    "boolean": lambda name, cell, _: (
        f"'{name}' || CASE WHEN {cell} THEN 'T' WHEN NOT {cell} THEN 'F' END"
    ),
    "binary": lambda name, cell, _: f"'{name}B' || strlen(base64({cell})) || ':' || base64({cell})",
}


def examine(
    path: Path, dataset: str, columns: Columns, progress: Callable[[int], None]
) -> ItemSetDigest:
    """The digest of all items. `progress`: of how many so far. Raises FileUnusable, FileBusy."""
    with translating(path, "read all of"), _opened(path) as file:
        tables = file.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'db'"
        ).fetchall()
        for schema, table in tables:
            whole = f"db.{quoted(schema)}.{quoted(table)}"
            file.execute(f"SELECT bit_xor(hash(whole)) FROM {whole} AS whole").fetchall()
        return _digest(file, f"db.main.{quoted(dataset)}", columns, progress)


def _digest(
    file: duckdb.DuckDBPyConnection,
    view: str,
    columns: Columns,
    progress: Callable[[int], None],
) -> ItemSetDigest:
    found = ItemSetDigest()
    told = texts(columns, _DIALECT, quoted=quoted, joined=lambda run: f"concat({', '.join(run)})")
    if told.holes:
        empty = " AND ".join(f"{quoted(column.name)} IS NULL" for column in told.holes)
        _add_told(file, view, told, f"_rest IS NULL AND NOT ({empty})", found, progress)
        where = f"_rest IS NULL AND {empty}"
    else:
        where = "_rest IS NULL"
    text = f"concat({', '.join(told.pieces)})"
    count, low, high = file.execute(
        f"SELECT count(*), sum((digest & {_LOW}::UHUGEINT)::UBIGINT), sum((digest >> 64)::UBIGINT)"
        f" FROM (SELECT md5_number({text}) AS digest FROM {view} WHERE {where})"
    ).fetchall()[0]
    found.add_sum(count, (int(high or 0) << 64) + int(low or 0))
    progress(found.count)
    names = ", ".join(map(quoted, (*columns.names, "_rest")))
    file.execute(f"SELECT {names} FROM {view} WHERE _rest IS NOT NULL")
    while rows := file.fetchmany(_PAGE_ROWS):
        found.add_all(rebuild(columns, row[:-1], row[-1]) for row in rows)
        progress(found.count)
    return found


def _add_told(
    file: duckdb.DuckDBPyConnection,
    view: str,
    told: Texts,
    where: str,
    found: ItemSetDigest,
    progress: Callable[[int], None],
) -> None:
    """Rows whose texts have holes."""
    parts = [f"encode({told.pieces[0]})"]
    for hole, piece in zip(told.holes, told.pieces[1:], strict=True):
        parts += [quoted(hole.name), f"encode({piece})"]
    file.execute(f"SELECT {', '.join(parts)} FROM {view} WHERE {where}")
    while rows := file.fetchmany(_PAGE_ROWS):
        found.add_sum(len(rows), sum(map(told.digest, rows)))
        progress(found.count)


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": f"{path}.tmp",
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
    }
    file = duckdb.connect(":memory:", config=settings)
    try:
        file.execute(f"ATTACH {literal(str(path))} AS db (TYPE duckdb, READ_ONLY)")
        file.execute("SET enable_external_access = false")
        # The view names its tables without the catalog.
        file.execute("USE db")
        yield file
    finally:
        file.close()
