"""The tables of a SQLite accelerator, as statements. No I/O.

    <dataset>              view: the attribute columns and `_rest`; what everyone reads
    _snowmelt_rows         one row per item: `_h`, attribute columns, `_rest`
    _snowmelt_key          index on the key's columns, made when the scan has ended
    _snowmelt_checkpoint   one row: checkpoint as JSON, its version, number of items
    _snowmelt_finished     its shards that were read to their end, as JSON
    _snowmelt_columns      the columns in the order in which they were added
    _snowmelt_counters     totals by name
    _snowmelt_quarantine   records that could not be decoded, with their position
    _snowmelt_tombstones   identities that the stream deleted while the scan still ran
    _snowmelt_meta         format, dataset, keys

Column types: text, decimal (exact canonical text) and json TEXT · integer and boolean INTEGER ·
binary BLOB. Values are bound in exactly these types, so SQLite's type affinity never converts one.
The table is not STRICT: in newer SQLite ADD COLUMN on a STRICT table reads the whole table (62 ms
for 300,000 rows in 3.54, against 1 ms), which would stall apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cdc.columns import Column, Columns, Kind
from cdc.keys import KeySchema

FORMAT = 1
ROWS = "_snowmelt_rows"
KEY_INDEX = "_snowmelt_key"

_TYPES = {
    "text": "TEXT",
    "integer": "INTEGER",
    "decimal": "TEXT",
    "boolean": "INTEGER",
    "binary": "BLOB",
    "json": "TEXT",
}

_CREATE = f"""
CREATE TABLE {ROWS} (_h BLOB NOT NULL PRIMARY KEY, _rest TEXT) WITHOUT ROWID;
CREATE TABLE _snowmelt_checkpoint
  (id INTEGER PRIMARY KEY, version INTEGER, checkpoint TEXT, row_count INTEGER NOT NULL) STRICT;
CREATE TABLE _snowmelt_finished (id INTEGER PRIMARY KEY, shards TEXT NOT NULL) STRICT;
CREATE TABLE _snowmelt_columns
  (ordinal INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, scale INTEGER NOT NULL)
  STRICT;
CREATE TABLE _snowmelt_counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE _snowmelt_quarantine
  (shard_id TEXT, sequence TEXT, reason TEXT NOT NULL, raw BLOB NOT NULL,
  PRIMARY KEY (shard_id, sequence)) STRICT;
CREATE TABLE _snowmelt_tombstones (_h BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE _snowmelt_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO _snowmelt_checkpoint VALUES (1, NULL, NULL, 0)
"""

# The checkpoint in two texts, both NULL before the first commit.
READ_STATE = (
    "SELECT checkpoint, (SELECT shards FROM _snowmelt_finished), row_count"
    " FROM _snowmelt_checkpoint"
)
READ_ROW_COUNT = "SELECT row_count FROM _snowmelt_checkpoint"
WRITE_FINISHED = "INSERT OR REPLACE INTO _snowmelt_finished VALUES (1, ?)"
WRITE_STATE = "UPDATE _snowmelt_checkpoint SET version = ?, checkpoint = ?, row_count = ?"
READ_COLUMNS = "SELECT name, kind, scale FROM _snowmelt_columns ORDER BY ordinal"
ADD_COLUMN_ROW = "INSERT INTO _snowmelt_columns (name, kind, scale) VALUES (?, ?, ?)"
READ_COUNTERS = "SELECT name, value FROM _snowmelt_counters"
COUNT_UP = (
    "INSERT INTO _snowmelt_counters VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)
QUARANTINE = "INSERT INTO _snowmelt_quarantine VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
READ_META = "SELECT name, value FROM _snowmelt_meta"
WRITE_META = "INSERT INTO _snowmelt_meta VALUES (?, ?)"
BURY = "INSERT INTO _snowmelt_tombstones VALUES (?) ON CONFLICT DO NOTHING"
HAS_TOMBSTONES = "SELECT EXISTS (SELECT 1 FROM _snowmelt_tombstones)"
FORGET_TOMBSTONES = "DELETE FROM _snowmelt_tombstones"
HAS_KEY_INDEX = f"SELECT count(*) FROM sqlite_master WHERE name = '{KEY_INDEX}'"
LIST_TABLES = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
# Identities looked up, or deleted, by one statement: fixed, so that it is compiled once.
PROBE_SIZE = 250
PROBE = f"SELECT count(*) FROM {ROWS} WHERE _h IN ({', '.join('?' * PROBE_SIZE)})"
DELETE_ROWS = f"DELETE FROM {ROWS} WHERE _h IN ({', '.join('?' * PROBE_SIZE)})"
# Rows written by one statement, and values in one, which no build of SQLite since 3.32 refuses.
_GROUPS = (64, 8, 1)
_MOST_VALUES = 32_766


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def create(dataset: str) -> list[str]:
    """The statements that make an empty file."""
    return [*_CREATE.split(";"), create_view(dataset, Columns())]


def create_view(dataset: str, columns: Columns) -> str:
    names = ", ".join(map(quoted, (*columns.names, "_rest")))
    return f"CREATE VIEW {quoted(dataset)} AS SELECT {names} FROM {ROWS}"


def grow(dataset: str, added: Iterable[Column], columns: Columns) -> list[str]:
    """The statements that add columns; `columns` are those afterwards."""
    statements = [
        f"ALTER TABLE {ROWS} ADD COLUMN {quoted(column.name)} {_TYPES[column.kind]}"
        for column in added
    ]
    # The view is dropped first: ALTER TABLE checks every view against the table.
    return [f"DROP VIEW {quoted(dataset)}", *statements, create_view(dataset, columns)]


def columns_of(rows: Iterable[tuple[str, Kind, int]]) -> Columns:
    """The columns that `READ_COLUMNS` selected."""
    return Columns(tuple(Column(*row) for row in rows))


def key_columns(keys: KeySchema, columns: Columns) -> tuple[str, ...]:
    """The key's columns, or none while one of them does not exist."""
    names = tuple(attribute.name for attribute in keys.attributes)
    return names if set(names) <= set(columns.names) else ()


def create_key_index(names: Iterable[str]) -> str:
    return f"CREATE INDEX {KEY_INDEX} ON {ROWS} ({', '.join(map(quoted, names))})"


def groups(columns: Columns) -> Iterator[int]:
    """By how many rows of these columns are written at once, as long as there are so many."""
    return (rows for rows in _GROUPS if rows == 1 or rows * (len(columns) + 2) <= _MOST_VALUES)


def upsert(columns: Columns, indexed: Iterable[str], rows: int) -> str:
    """Write rows (`_h`, columns, `_rest`) one behind the other, newest state over older.

    An update that names an indexed column rewrites its index entry, even with the same value, so
    indexed columns are compared instead of set: a row that differs there is not counted as written.
    """
    fixed = set(indexed)
    names = [*columns.names, "_rest"]
    sets = ", ".join(
        f"{quoted(name)} = excluded.{quoted(name)}" for name in names if name not in fixed
    )
    same = " AND ".join(f"{ROWS}.{quoted(name)} IS excluded.{quoted(name)}" for name in indexed)
    where = f" WHERE {same}" if same else ""
    changes = f"ON CONFLICT (_h) DO UPDATE SET {sets}{where}"
    return f"{_insert(names)} {_values(columns, rows)} {changes}"


def overwrite(columns: Columns, rows: int) -> str:
    """Write rows like `upsert`, without any condition."""
    names = [*columns.names, "_rest"]
    return f"{_insert(names, 'INSERT OR REPLACE')} {_values(columns, rows)}"


def append(columns: Columns, rows: int, *, has_tombstones: bool) -> str:
    """Write scanned rows that the stream has neither written nor deleted."""
    names = [*columns.names, "_rest"]
    # To look into a table takes as long as to write the row, even if nothing is in it.
    values = _values(columns, rows)
    if has_tombstones:
        buried = "SELECT 1 FROM _snowmelt_tombstones WHERE _h = column1"
        values = f"SELECT * FROM ({values}) WHERE NOT EXISTS ({buried})"
    return f"{_insert(names)} {values} ON CONFLICT (_h) DO NOTHING"


def _values(columns: Columns, rows: int) -> str:
    places = ", ".join("?" * (len(columns) + 2))
    return f"VALUES {', '.join([f'({places})'] * rows)}"


def _insert(names: Iterable[str], verb: str = "INSERT") -> str:
    return f"{verb} INTO {ROWS} ({', '.join(map(quoted, ('_h', *names)))})"


def read_row(columns: Columns) -> str:
    """One row by identity, led by the number of columns that the file then has."""
    names = ", ".join(map(quoted, (*columns.names, "_rest")))
    count = "(SELECT ifnull(max(ordinal), 0) FROM _snowmelt_columns)"
    return f"SELECT {count}, {names} FROM {ROWS} WHERE _h = ?"


def read_page(columns: Columns) -> str:
    """The rows that follow an identity, at most so many."""
    names = ", ".join(map(quoted, ("_h", *columns.names, "_rest")))
    return f"SELECT {names} FROM {ROWS} WHERE _h > ? ORDER BY _h LIMIT ?"
