"""Digests by which the results of all sides are compared, whatever way they store them.

Only plain values take part, because the other ways keep no more: a number is its canonical text,
NULL is the same as absent. That Snowmelt also keeps what is lost by that is not measured here.
The digest is a sum over items, so their order does not matter.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from cdc.keys import canonical_number

_MODULUS = 2**128
DATASET = "items"


def plain(typed: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Typed DynamoDB JSON of an item as plain values."""
    values = {name: _plain(value) for name, value in typed.items()}
    return {name: value for name, value in values.items() if value is not None}


def digest(items: Iterable[Mapping[str, Any]]) -> str:
    """The digest of plain items."""
    texts = (json.dumps(item, sort_keys=True) for item in items)
    return f"{sum(_number(text) for text in texts) % _MODULUS:032x}"


def file_digest(engine: str, path: Path) -> str:
    """The digest of the rows that plain `duckdb` or `sqlite3` sees in a Snowmelt file."""
    if engine == "duckdb":
        import duckdb

        row = "hash(items)"
        text = f"SELECT count(*), sum({row}), bit_xor({row}) FROM {DATASET}"
        with duckdb.connect(str(path), read_only=True) as connection:
            return str(connection.execute(text).fetchall()[0])
    with closing(sqlite3.connect(path)) as reader:
        rows = reader.execute(f"SELECT * FROM {DATASET}")
        return f"{sum(_number(repr(row)) for row in rows) % _MODULUS:032x}"


def _number(text: str) -> int:
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest())


def _plain(typed: Mapping[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    match kind:
        case "N":
            return canonical_number(value)
        case "M":
            return {name: _plain(inner) for name, inner in value.items()}
        case "L":
            return [_plain(inner) for inner in value]
        case "NULL":
            return None
    return value
