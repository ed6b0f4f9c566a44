"""The text of every statement that the DuckDB accelerator runs; nothing here touches a file.

    _snowmelt.base        _h UUID, <columns>, _rest         sorted by key; scan and folds write here
    _snowmelt.delta       _h UUID, _dead, <columns>, _rest  changes since, one row per identity
    _snowmelt.checkpoint  text                              one row, replaced in every transaction
    _snowmelt.columns     text                              one row, replaced when columns are added
    _snowmelt.counters    name, value
    _snowmelt.quarantine  seen_at, shard_id, sequence, reason, raw
    _snowmelt.meta        name, value                       format, dataset, keys, settled, ...
    main.<dataset>        view: delta where alive, and base where delta says nothing

No index anywhere: one on the key would be rewritten with every batch. The schema is not called
`snowmelt`, because plain DuckDB opens `snowmelt.db` as catalog `snowmelt` and then finds the view's
names ambiguous.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from cdc.columns import Column, Columns
from cdc.keys import Item, KeySchema, canonical_number

FORMAT = "1"
SCHEMA = "_snowmelt"
BASE = f"{SCHEMA}.base"
DELTA = f"{SCHEMA}.delta"
# The name under which a batch is registered with the writer's connection.
BATCH = "_snowmelt_batch"
_QUARANTINE = "seen_at DOUBLE, shard_id VARCHAR, sequence VARCHAR, reason VARCHAR, raw BLOB"

_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "binary": "BLOB",
    "json": "JSON",
}


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def sql_type(column: Column) -> str:
    """The DuckDB type of a column."""
    return f"DECIMAL(38,{column.scale})" if column.kind == "decimal" else _TYPES[column.kind]


def grown(held: Columns, shown: Columns) -> Columns:
    """The file's columns after a batch. Raises ValueError unless one list continues the other."""
    shared = min(len(held), len(shown))
    if held.all[:shared] != shown.all[:shared]:
        raise ValueError("the batch's columns do not continue the file's: decode it with those")
    return shown if len(shown) > shared else held


def create(dataset: str) -> list[str]:
    """Everything that a new file holds, without columns yet."""
    return [
        f"CREATE SCHEMA {SCHEMA}",
        f"CREATE TABLE {BASE} (_h UUID, _rest VARCHAR)",
        f"CREATE TABLE {DELTA} (_h UUID, _dead BOOLEAN, _rest VARCHAR)",
        f"CREATE TABLE {SCHEMA}.checkpoint (text VARCHAR)",
        f"CREATE TABLE {SCHEMA}.columns (text VARCHAR)",
        f"CREATE TABLE {SCHEMA}.counters (name VARCHAR, value BIGINT)",
        f"CREATE TABLE {SCHEMA}.quarantine ({_QUARANTINE})",
        f"CREATE TABLE {SCHEMA}.meta (name VARCHAR, value VARCHAR)",
        view(dataset, Columns()),
    ]


def view(dataset: str, columns: Columns) -> str:
    """The view through which everyone reads: newest wins, tombstones hide."""
    mine = _list(columns.names, "d")
    theirs = _list(columns.names, "b")
    return (
        f"CREATE OR REPLACE VIEW main.{quoted(dataset)} AS "
        f"SELECT {mine}d._rest FROM {DELTA} d WHERE NOT d._dead UNION ALL "
        f"SELECT {theirs}b._rest FROM {BASE} b ANTI JOIN {DELTA} t ON b._h = t._h"
    )


def add_columns(columns: Iterable[Column]) -> list[str]:
    """One statement per table and column: DuckDB adds a single column at a time."""
    return [
        f"ALTER TABLE {table} ADD COLUMN {quoted(column.name)} {sql_type(column)}"
        for column in columns
        for table in (BASE, DELTA)
    ]


def insert_delta(columns: Columns) -> str:
    """Rows of the registered batch as the newest change of their items."""
    return (
        f"INSERT INTO {DELTA} (_h, _dead, {_list(columns.names)}_rest) "
        f"SELECT _h::UUID, _dead, {_cells(columns)}_rest FROM {BATCH}"
    )


def insert_base(columns: Columns) -> str:
    """Rows of the registered batch, unchecked: scan segments never overlap."""
    return (
        f"INSERT INTO {BASE} (_h, {_list(columns.names)}_rest) "
        f"SELECT _h::UUID, {_cells(columns)}_rest FROM {BATCH}"
    )


FORGET_DELTA = f"DELETE FROM {DELTA} WHERE _h IN (SELECT _h::UUID FROM {BATCH})"
EMPTY_DELTA = f"DELETE FROM {DELTA}"
CLEAR_BASE = f"DELETE FROM {BASE} WHERE _h IN (SELECT _h FROM {DELTA})"


def fold(columns: Columns, keys: KeySchema) -> list[str]:
    """Move the delta into base, sorted by key so that its row groups can be skipped in lookups."""
    names = _list(columns.names)
    move = (
        f"INSERT INTO {BASE} (_h, {names}_rest) SELECT _h, {names}_rest FROM {DELTA} "
        f"WHERE NOT _dead ORDER BY {_order(columns, keys)}"
    )
    return [CLEAR_BASE, move, EMPTY_DELTA]


def settle(columns: Columns, keys: KeySchema) -> list[str]:
    """Write base anew, sorted by key and with the delta in it."""
    names = _list(columns.names)
    rewrite = (
        f"CREATE TABLE {SCHEMA}.base2 AS SELECT _h, {names}_rest FROM ("
        f"SELECT _h, {names}_rest FROM {DELTA} WHERE NOT _dead UNION ALL "
        f"SELECT _h, {names}_rest FROM {BASE} b ANTI JOIN {DELTA} t USING (_h)"
        f") ORDER BY {_order(columns, keys)}"
    )
    return [
        rewrite,
        f"DROP TABLE {BASE}",
        f"ALTER TABLE {SCHEMA}.base2 RENAME TO base",
        EMPTY_DELTA,
    ]


def lookup_delta(columns: Columns) -> str:
    """The change of one identity: `_dead`, the cells, `_rest`."""
    return f"SELECT _dead, {_list(columns.names)}_rest FROM {DELTA} WHERE _h = ?"


def lookup_base(columns: Columns, keyed: Iterable[Column]) -> str:
    """One identity in base; `keyed` are key columns whose cell is known: they skip row groups."""
    tests = [f"{quoted(column.name)} = CAST(? AS {sql_type(column)})" for column in keyed]
    return (
        f"SELECT {_list(columns.names)}_rest FROM {BASE} WHERE {' AND '.join([*tests, '_h = ?'])}"
    )


def key_cells(keys: KeySchema, key: Item, columns: Columns) -> list[tuple[Column, Any]]:
    """The key's columns that hold its attributes, with their cells; the others lie in `_rest`."""
    found = ((columns.get(part.name), part, key[part.name][part.type]) for part in keys.attributes)
    cells = (
        (column, _key_cell(column, part.type, value)) for column, part, value in found if column
    )
    return [(column, cell) for column, cell in cells if cell is not None]


def _key_cell(column: Column, key_type: str, value: Any) -> Any:
    match key_type, column.kind:
        case "S", "text":
            return str(value)
        case "B", "binary":
            return value if isinstance(value, bytes) else base64.b64decode(value)
        case "N", "integer" | "decimal":
            text = canonical_number(str(value))
            whole, _, fraction = text.lstrip("-").partition(".")
            if column.kind == "decimal":
                fits = len(whole) <= 38 - column.scale and len(fraction) <= column.scale
                return text if fits else None
            return text if not fraction and -(2**63) <= int(text) < 2**63 else None
    return None


def select_items(dataset: str, columns: Columns) -> str:
    """Every row of the view: the cells in the order of `columns`, then `_rest`."""
    return f"SELECT {_list(columns.names)}_rest FROM main.{quoted(dataset)}"


def _list(names: Iterable[str], alias: str = "") -> str:
    prefix = f"{alias}." if alias else ""
    return "".join(f"{prefix}{quoted(name)}, " for name in names)


def _cells(columns: Columns) -> str:
    # Decimals travel as canonical text; everything else has the column's type already.
    return "".join(
        f"CAST({quoted(column.name)} AS {sql_type(column)}), "
        if column.kind in ("decimal", "json")
        else f"{quoted(column.name)}, "
        for column in columns
    )


def _order(columns: Columns, keys: KeySchema) -> str:
    names = [quoted(key.name) for key in keys.attributes if columns.get(key.name)]
    return ", ".join([*names, "_h"])
