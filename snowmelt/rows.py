"""Rows of a query result as JSON objects."""

from __future__ import annotations

from typing import Any

from cdc.accelerator import QueryResult


def objects(result: QueryResult) -> list[dict[str, Any]]:
    """One object a row; of several columns with one name the later ones get a number."""
    names: list[str] = []
    for column in result.columns:
        name, number = column, 1
        while name in names:
            name, number = f"{column}_{number}", number + 1
        names.append(name)
    return [dict(zip(names, row, strict=True)) for row in result.rows]
