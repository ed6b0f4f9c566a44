"""The key schemas of a table's secondary indexes, as lists of attribute names.

Global indexes first, then local ones; of each the partition keys, then the sort keys. An index that
has the keys of another one, or of the table, gives no other access path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ROLES = ("HASH", "RANGE")


def table_indexes(table: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Attribute names of each index in a `Table` of DescribeTable."""
    described = [
        *(table.get("GlobalSecondaryIndexes") or ()),
        *(table.get("LocalSecondaryIndexes") or ()),
    ]
    found = dict.fromkeys(_names(index) for index in described)
    return tuple(names for names in found if names and names != _names(table))


def _names(described: Mapping[str, Any]) -> tuple[str, ...]:
    parts = sorted(described.get("KeySchema") or (), key=lambda part: _ROLES.index(part["KeyType"]))
    return tuple(str(part["AttributeName"]) for part in parts)
