"""The text of every statement that the DuckDB accelerator runs; nothing here touches a file.

    _snowmelt.base        _h UUID, <columns>, _rest         sorted by _h; scan and folds write here
    _snowmelt.delta_a     _h UUID, _dead, <columns>, _rest  changes since, one row per identity: one
    _snowmelt.delta_b     the same                          is active, the other frozen or empty
    _snowmelt.base_next   like base                         only while base is being sorted anew
    _snowmelt.checkpoint  text                              one row, replaced in every transaction
    _snowmelt.finished    text                              its shards that were read to their end
    _snowmelt.columns     text                              one row, replaced when columns are added
    _snowmelt.counters    name, value
    _snowmelt.quarantine  seen_at, shard_id, sequence, reason, raw
    _snowmelt.meta        name, value                       format, dataset, keys, active, ...
    main.<dataset>        view: the active delta where alive, the frozen one where active says
                          nothing, base where neither does

No index anywhere: one on the key would be rewritten with every batch. A lookup skips the row groups
whose range of `_h` excludes the identity; of texts the engine compares eight bytes only, so an
order by key would let it skip nothing where keys begin alike.

The schema is not called `snowmelt`, because plain DuckDB opens `snowmelt.db` as catalog `snowmelt`
and then finds the view's names ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from cdc.columns import Column, Columns

FORMAT = "1"
SCHEMA = "_snowmelt"
BASE = f"{SCHEMA}.base"
NEXT = f"{SCHEMA}.base_next"
DELTAS = {"a": f"{SCHEMA}.delta_a", "b": f"{SCHEMA}.delta_b"}
OTHER = {"a": "b", "b": "a"}
# The name under which a batch is registered with the writer's connection.
BATCH = "_snowmelt_batch"
IDENTITIES = 2**128
# Changes are soon moved into base: packing them before would be half of what a commit costs.
_LOOSE = " USING COMPRESSION uncompressed"
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


# The checkpoint in two texts; no row before the first commit.
READ_CHECKPOINT = f"SELECT text, (SELECT text FROM {SCHEMA}.finished) FROM {SCHEMA}.checkpoint"


def view_name(dataset: str) -> str:
    """The view through which everyone reads."""
    return f"main.{quoted(dataset)}"


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
        *(
            f"CREATE TABLE {delta} (_h UUID{_LOOSE}, _dead BOOLEAN, _rest VARCHAR{_LOOSE})"
            for delta in DELTAS.values()
        ),
        f"CREATE TABLE {SCHEMA}.checkpoint (text VARCHAR)",
        f"CREATE TABLE {SCHEMA}.finished (text VARCHAR)",
        f"CREATE TABLE {SCHEMA}.columns (text VARCHAR)",
        f"CREATE TABLE {SCHEMA}.counters (name VARCHAR, value BIGINT)",
        f"CREATE TABLE {SCHEMA}.quarantine ({_QUARANTINE})",
        f"CREATE TABLE {SCHEMA}.meta (name VARCHAR, value VARCHAR)",
        view(dataset, Columns(), "a"),
    ]


def view(dataset: str, columns: Columns, active: str) -> str:
    """The view through which everyone reads: newest wins, tombstones hide."""
    new, old = DELTAS[active], DELTAS[OTHER[active]]
    first, second, last = (_list(columns.names, alias) for alias in ("d", "f", "b"))
    return (
        f"CREATE OR REPLACE VIEW {view_name(dataset)} AS "
        f"SELECT {first}d._rest FROM {new} d WHERE NOT d._dead UNION ALL "
        f"SELECT {second}f._rest FROM {old} f ANTI JOIN {new} t ON f._h = t._h "
        f"WHERE NOT f._dead UNION ALL "
        f"SELECT {last}b._rest FROM {BASE} b ANTI JOIN "
        f"(SELECT _h FROM {new} UNION ALL SELECT _h FROM {old}) t ON b._h = t._h"
    )


def add_columns(columns: Iterable[Column], *, is_sorting: bool) -> list[str]:
    """One statement per table and column: DuckDB adds a single column at a time."""
    tables = (BASE, *DELTAS.values(), *([NEXT] if is_sorting else []))
    return [
        f"ALTER TABLE {table} ADD COLUMN {quoted(column.name)} {sql_type(column)}"
        f"{_LOOSE if table in DELTAS.values() else ''}"
        for column in columns
        for table in tables
    ]


def forget(active: str) -> str:
    """Older changes of the registered batch's items; its result is their number."""
    return f"DELETE FROM {DELTAS[active]} WHERE _h IN (SELECT _h::UUID FROM {BATCH})"


def insert_delta(active: str, columns: Columns) -> str:
    """Rows of the registered batch as the newest change of their items."""
    return (
        f"INSERT INTO {DELTAS[active]} (_h, _dead, {_list(columns.names)}_rest) "
        f"SELECT _h::UUID, _dead, {_cells(columns)}_rest FROM {BATCH}"
    )


def insert_base(columns: Columns) -> str:
    """Rows of the registered batch, unchecked: scan segments never overlap."""
    return (
        f"INSERT INTO {BASE} (_h, {_list(columns.names)}_rest) "
        f"SELECT _h::UUID, {_cells(columns)}_rest FROM {BATCH}"
    )


def between(first: int, last: int) -> str:
    """A test for identities from `first` to below `last`, of 2**128."""
    tests = [f"_h >= '{UUID(int=first)}'::UUID"] if first else []
    tests += [f"_h < '{UUID(int=last)}'::UUID"] if last < IDENTITIES else []
    return " AND ".join(tests) or "true"


def fold(columns: Columns, frozen: str, where: str) -> list[str]:
    """Move the frozen delta's rows of a range into base, sorted so that lookups skip the others."""
    names, delta = _list(columns.names), DELTAS[frozen]
    clear = f"DELETE FROM {BASE} WHERE {where} AND _h IN (SELECT _h FROM {delta} WHERE {where})"
    move = (
        f"INSERT INTO {BASE} (_h, {names}_rest) SELECT _h, {names}_rest FROM {delta} "
        f"WHERE {where} AND NOT _dead ORDER BY _h"
    )
    return [clear, move, f"DELETE FROM {delta} WHERE {where}"]


def begin_sorting(columns: Columns) -> str:
    """The table that will be base."""
    cells = "".join(f"{quoted(column.name)} {sql_type(column)}, " for column in columns)
    return f"CREATE TABLE {NEXT} (_h UUID, {cells}_rest VARCHAR)"


def sort_range(columns: Columns, where: str) -> str:
    """Copy base's rows of a range, sorted. Nothing writes to base until the last is copied."""
    names = _list(columns.names)
    return (
        f"INSERT INTO {NEXT} (_h, {names}_rest) "
        f"SELECT _h, {names}_rest FROM {BASE} WHERE {where} ORDER BY _h"
    )


END_SORTING = (f"DROP TABLE {BASE}", f"ALTER TABLE {NEXT} RENAME TO base")
GIVE_UP_SORTING = f"DROP TABLE IF EXISTS {NEXT}"


def identities(delta: str) -> str:
    """All identities of a delta, as bytes."""
    return f"SELECT unhex(replace(_h::VARCHAR, '-', '')) FROM {DELTAS[delta]}"


def lookup_delta(delta: str, columns: Columns, identity: UUID) -> str:
    """The change of one identity: `_dead`, the cells, `_rest`."""
    # As a literal, because of a parameter's value nothing is known when scans are planned.
    return f"SELECT _dead, {_list(columns.names)}_rest FROM {DELTAS[delta]} WHERE _h = '{identity}'"


def lookup_base(columns: Columns, identity: UUID) -> str:
    """One identity in base: the cells, `_rest`."""
    return f"SELECT {_list(columns.names)}_rest FROM {BASE} WHERE _h = '{identity}'"


def select_items(dataset: str, columns: Columns) -> str:
    """Every row of the view: the cells in the order of `columns`, then `_rest`."""
    return f"SELECT {_list(columns.names)}_rest FROM {view_name(dataset)}"


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
