"""Wider column types for a DuckDB file, while base is copied anyway.

Which column gets which type is `cdc.widening`'s to say, from what the file holds. Most rows are
converted by the engine, since a wider type holds the same value. Rows with such an attribute in
`_rest`, and those whose cell the new type cannot hold, are rebuilt and decoded once more: the row
law is checked by the one decoder that everything went through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager

import duckdb
import msgspec
import pyarrow as pa

from cdc.accelerator import Layout
from cdc.batch import schema_of
from cdc.column_rules import ColumnRules
from cdc.columns import Column, Columns
from cdc.decode import Decoder
from cdc.duckdb_file import Database
from cdc.duckdb_sql import BASE, literal, quoted, sql_type
from cdc.duckdb_state import State
from cdc.errors import FileUnusable
from cdc.rebuild import rebuild
from cdc.widening import Found, Spilled, widened

# What names begin with under which decoded rows are registered with the writer's connection.
DECODED = "_snowmelt_widened"
_MOST_LOOKED_AT = 20
_CHUNK_ROWS = 10_000
_NUMBER = literal("-?(0|[1-9][0-9]*)([.][0-9]*[1-9])?")
# These cells keep their value under the engine's own cast.
_CONVERTED = {
    ("integer", "decimal"): "CAST({} AS {})",
    ("decimal", "decimal"): "CAST({} AS {})",
    ("text", "json"): "to_json({})",
    ("integer", "json"): "to_json({})",
    ("boolean", "json"): "to_json({})",
}

Wider = Mapping[str, Column]


def wider_columns(cursor: duckdb.DuckDBPyConnection, state: State, layout: Layout) -> Wider:
    """The columns of the file that should get a wider type, by name."""
    misfits = {
        name.removeprefix("misfit:"): count
        for name, count in state.counters.items()
        if name.startswith("misfit:")
    }
    fitting = [
        column
        for column in state.columns
        if column.name in misfits and column.name not in layout.fixed and column.kind != "json"
    ]
    most = sorted(fitting, key=lambda column: -misfits[column.name])[:_MOST_LOOKED_AT]
    keys = {attribute.name for attribute in state.keys.attributes}
    found = (widened(column, _found(cursor, column), is_key=column.name in keys) for column in most)
    return {column.name: column for column in found if column is not None}


def with_wider(columns: Columns, wider: Wider) -> Columns:
    """The columns with those types."""
    return Columns(tuple(wider.get(column.name, column) for column in columns))


def _found(cursor: duckdb.DuckDBPyConnection, column: Column) -> Found:
    cell = quoted(column.name)
    digits = f"max(strlen(split_part(ltrim({cell}::VARCHAR, '-'), '.', 1)))"
    whole = digits if column.kind in ("integer", "decimal") else "0"
    ((held, most),) = cursor.execute(f"SELECT count({cell}), {whole} FROM {BASE}").fetchall()
    structure = literal(msgspec.json.encode({column.name: "JSON"}).decode())
    number = "json_extract_string(v, '$.N')"
    is_number = f"regexp_full_match({number}, {_NUMBER})"
    rows = cursor.execute(
        f"SELECT json_keys(v)[1], "
        f"CASE WHEN {is_number} THEN strlen(split_part(ltrim({number}, '-'), '.', 1)) END, "
        f"CASE WHEN {is_number} THEN strlen(split_part({number}, '.', 2)) END, count(*) FROM ("
        f"SELECT struct_extract_at(json_transform(_rest, {structure}), 1) AS v "
        f"FROM {BASE} WHERE {_mentions(column.name)}) WHERE v IS NOT NULL GROUP BY ALL"
    ).fetchall()
    spilled = tuple(Spilled(tag, count, digits, scale or 0) for tag, digits, scale, count in rows)
    return Found(held, spilled, most or 0)


# ---------------------------------------------------------------- rows


@contextmanager
def widening(
    database: Database, tables: Sequence[tuple[str, str]], state: State, wider: Wider, where: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A transaction that begins with a range of rows written from tables into tables.

    A target that takes changes is made, and takes its table's place.
    """
    with ExitStack() as stack:
        names = {}
        for table, _ in tables:
            names[table] = f"{DECODED}_{table.rpartition('.')[2]}"
            with database.snapshot() as reader:
                rows = _decoded_again(reader, table, state, wider, where)
            stack.enter_context(database.registered(names[table], rows))
        with database.transaction() as cursor:
            for table, target in tables:
                has_dead = table != BASE
                if has_dead:
                    cursor.execute(_create(target, with_wider(state.columns, wider)))
                cursor.execute(_insert(table, target, state, wider, where, names[table]))
                if has_dead:
                    cursor.execute(f"DROP TABLE {table}")
                    cursor.execute(f"ALTER TABLE {target} RENAME TO {table.rpartition('.')[2]}")
            yield cursor


def _decoded_again(
    reader: duckdb.DuckDBPyConnection, table: str, state: State, wider: Wider, where: str
) -> pa.Table:
    """The rows of a range that the engine cannot convert, as the decoder makes them now."""
    columns = with_wider(state.columns, wider)
    made: list[pa.Table] = [pa.Table.from_batches([], schema_of(columns))]
    with closing(Decoder(state.keys, ColumnRules(budget=0))) as decoder:
        for items in _affected(reader, table, state, wider, where):
            batch = decoder.scan([msgspec.Raw(item) for item in items], columns)
            if batch.poison or batch.rows.num_rows != len(items):
                raise FileUnusable("a stored row cannot be decoded again; nothing was changed")
            made.append(batch.rows)
    return pa.concat_tables(made)


def _affected(
    reader: duckdb.DuckDBPyConnection, table: str, state: State, wider: Wider, where: str
) -> Iterator[list[bytes]]:
    names = "".join(f"{quoted(name)}, " for name in state.columns.names)
    test = f"{where} AND {_is_affected(state.columns, wider)}"
    reader.execute(f"SELECT {names}_rest FROM {table} WHERE {test}")
    while rows := reader.fetchmany(_CHUNK_ROWS):
        items = (rebuild(state.columns, row[:-1], row[-1]) for row in rows)
        yield [msgspec.json.encode(item) for item in items]


def _create(delta: str, columns: Columns) -> str:
    cells = "".join(f"{quoted(column.name)} {sql_type(column)}, " for column in columns)
    return f"CREATE TABLE {delta} (_h UUID, _dead BOOLEAN, {cells}_rest VARCHAR)"


def _insert(table: str, target: str, state: State, wider: Wider, where: str, decoded: str) -> str:
    """Write a range of a table's rows into another one that has the wider types, sorted."""
    columns = with_wider(state.columns, wider)
    names = "".join(f"{quoted(name)}, " for name in columns.names)
    has_dead = "_dead, " if table != BASE else ""
    cells = "".join(f"{_converted(column, wider)}, " for column in state.columns)
    casts = "".join(f"CAST({quoted(c.name)} AS {sql_type(c)}), " for c in columns)
    return (
        f"INSERT INTO {target} (_h, {has_dead}{names}_rest) SELECT * FROM ("
        f"SELECT _h, {has_dead}{cells}_rest FROM {table} "
        f"WHERE {where} AND NOT {_is_affected(state.columns, wider)} UNION ALL "
        f"SELECT _h::UUID, {has_dead}{casts}_rest FROM {decoded}) ORDER BY _h"
    )


def _converted(column: Column, wider: Wider) -> str:
    new, cell = wider.get(column.name), quoted(column.name)
    if new is None:
        return cell
    form = _CONVERTED.get((column.kind, new.kind), "CAST(NULL AS {1})")
    return form.format(cell, sql_type(new))


def _is_affected(columns: Columns, wider: Wider) -> str:
    tests = []
    for column in columns:
        new = wider.get(column.name)
        if new is not None:
            tests.append(_mentions(column.name))
            if (column.kind, new.kind) not in _CONVERTED:
                tests.append(f"{quoted(column.name)} IS NOT NULL")
    return f"({' OR '.join(tests)})"


def _mentions(name: str) -> str:
    """True for a row whose `_rest` has the attribute, and for a few others."""
    text = literal(msgspec.json.encode(name).decode())
    return f"coalesce(contains(_rest, {text}), false)"
