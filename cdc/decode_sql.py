"""The SQL of the decoder: text in, text out.

Numbers are pulled as text and checked, because `json_transform` straight into a number rounds in
silence (`1.5` becomes 2) and casts are lenient (`1_000`, ` 5 `). Results are addressed by position,
so no attribute name ever has to be legal as an SQL name.
"""

from __future__ import annotations

import json

from cdc.columns import Column, Columns, Kind
from cdc.keys import KeyAttribute, KeySchema, KeyType

_TAGS: dict[Kind, str] = {
    "text": "S",
    "integer": "N",
    "decimal": "N",
    "boolean": "BOOL",
    "binary": "B",
}
_DECIMAL_DIGITS = 38


def rows_query(
    keys: KeySchema, columns: Columns, source: str, excluded: frozenset[str] = frozenset()
) -> str:
    """One row for each row of `source`, which has `image` or, for a deleted item, `keys`.

    Columns: `h`, the identity as `KeySchema.identity` has it, NULL where Python has to decide; c0,
    c1, … the cells (for json the typed text); `names`, the number of attributes in the image, less
    the `excluded` ones.
    """
    texts, typed = _key_texts(keys, columns)
    selected = [_identity(keys, texts)]
    if columns.all:
        structure = {column.name: _member(column) for column in columns}
        typed.append(f"json_transform(image, {_literal(json.dumps(structure))}) AS typed")
        selected += [f"{_cell(column, i)} AS c{i}" for i, column in enumerate(columns)]
    selected.append(f"{_names(excluded)} AS names")
    return f"SELECT {', '.join(selected)} FROM (SELECT image, {', '.join(typed)} FROM {source})"


def _names(excluded: frozenset[str]) -> str:
    names = "json_keys(image)"
    if not excluded:
        return f"len({names})"
    listed = ", ".join(_literal(name) for name in sorted(excluded))
    return f"len({names}) - len(list_intersect({names}, [{listed}]))"


def _key_texts(keys: KeySchema, columns: Columns) -> tuple[list[str], list[str]]:
    """Expressions for the text of each key attribute, and the columns that they need."""
    attributes = keys.attributes
    held = [_held(attribute, columns) for attribute in attributes]
    # An image's key is read from its columns, so that the image is not parsed once more for it.
    text = "keys" if all(held) else "coalesce(image, keys)"
    members = [{attribute.name: {attribute.type: "VARCHAR"}} for attribute in attributes]
    if len({attribute.name.casefold() for attribute in attributes}) == len(attributes):
        members = [{name: tag for member in members for name, tag in member.items()}]
        texts = [_at(_at("k0", i + 1), 1) for i in range(len(attributes))]
    else:  # a structure cannot hold two names that differ by case alone
        texts = [_at(_at(f"k{i}", 1), 1) for i in range(len(members))]
    if all(held):
        texts = [f"coalesce({cell}, {key})" for cell, key in zip(held, texts, strict=True)]
    structures = [_literal(json.dumps(member)) for member in members]
    return texts, [f"json_transform({text}, {s}) AS k{i}" for i, s in enumerate(structures)]


def _held(attribute: KeyAttribute, columns: Columns) -> str | None:
    for position, column in enumerate(columns):
        if column.name == attribute.name and _TAGS.get(column.kind) == attribute.type:
            return _at(_at("typed", position + 1), 1)
    return None


def _identity(keys: KeySchema, texts: list[str]) -> str:
    is_binary = any(attribute.type == "B" for attribute in keys.attributes)
    parts = [
        _identity_part(attribute.type, text, to_bytes=is_binary)
        for attribute, text in zip(keys.attributes, texts, strict=True)
    ]
    return f"unhex(md5({' || '.join(parts)})) AS h"


def _identity_part(type_: KeyType, text: str, *, to_bytes: bool) -> str:
    if type_ == "B":
        raw = f"TRY(from_base64({text}))"
        return f"encode('B' || printf('%08x', octet_length({raw}))) || {raw}"
    part = f"'{type_}' || printf('%08x', strlen({text})) || {text}"
    if type_ == "N":
        canonical = _literal(r"-?(0|[1-9][0-9]*)([.][0-9]*[1-9])?")
        is_canonical = f"regexp_full_match({text}, {canonical}) AND {text} <> '-0'"
        part = f"CASE WHEN {is_canonical} THEN {part} END"
    return f"encode({part})" if to_bytes else part


def _member(column: Column) -> str | dict[str, str]:
    if column.kind == "json":
        return "JSON"
    return {_TAGS[column.kind]: "BOOLEAN" if column.kind == "boolean" else "VARCHAR"}


def _cell(column: Column, index: int) -> str:
    value = _at("typed", index + 1)
    if column.kind == "json":
        return f"{value}::VARCHAR"
    value = _at(value, 1)
    if column.kind == "integer":
        number = f"TRY_CAST({value} AS BIGINT)"
        return f"CASE WHEN {number}::VARCHAR = {value} THEN {number} END"
    if column.kind == "decimal":
        pattern = _literal(_decimal_pattern(column.scale))
        return (
            f"CASE WHEN regexp_full_match({value}, {pattern}) AND {value} <> '-0' THEN {value} END"
        )
    if column.kind == "binary":
        return f"TRY(from_base64({value}))"
    return value


def _decimal_pattern(scale: int) -> str:
    whole = _DECIMAL_DIGITS - scale
    fraction = f"([.][0-9]{{0,{scale - 1}}}[1-9])?" if scale else ""
    return f"-?(0|[1-9][0-9]{{0,{whole - 1}}}){fraction}"


def _at(struct: str, position: int) -> str:
    return f"struct_extract_at({struct}, {position})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
