"""The SQL of the decoder: text in, text out.

Numbers are pulled as text and checked, because `json_transform` straight into a number rounds in
silence (`1.5` becomes 2) and casts are lenient (`1_000`, ` 5 `). Results are addressed by position,
so no attribute name ever has to be legal as an SQL name.
"""

from __future__ import annotations

import json
from functools import lru_cache

from cdc.columns import Column, Columns, Kind
from cdc.keys import KeySchema, KeyType

_TAGS: dict[Kind, str] = {
    "text": "S",
    "integer": "N",
    "decimal": "N",
    "boolean": "BOOL",
    "binary": "B",
}
_DECIMAL_DIGITS = 38


def identity_query(keys: KeySchema, source: str) -> str:
    """One column `h`: identities of the keys in `source.keys`, NULL where Python has to decide.

    The encoding is that of `KeySchema.identity`.
    """
    texts, typed = _key_texts(keys)
    is_binary = any(attribute.type == "B" for attribute in keys.attributes)
    parts = [
        _identity_part(attribute.type, text, to_bytes=is_binary)
        for attribute, text in zip(keys.attributes, texts, strict=True)
    ]
    return f"SELECT unhex(md5({' || '.join(parts)})) AS h FROM (SELECT {typed} FROM {source})"


def _key_texts(keys: KeySchema) -> tuple[list[str], str]:
    """Expressions for the text of each key attribute, and the columns they refer to."""
    members = [{attribute.name: {attribute.type: "VARCHAR"}} for attribute in keys.attributes]
    folded = {attribute.name.casefold() for attribute in keys.attributes}
    if len(folded) == len(members):
        members = [{name: tag for member in members for name, tag in member.items()}]
        texts = [_at(_at("k0", i + 1), 1) for i in range(len(keys.attributes))]
    else:  # a structure cannot hold two names that differ by case alone
        texts = [_at(_at(f"k{i}", 1), 1) for i in range(len(members))]
    structures = [_literal(json.dumps(member)) for member in members]
    typed = [f"json_transform(keys, {text}) AS k{i}" for i, text in enumerate(structures)]
    return texts, ", ".join(typed)


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


@lru_cache(maxsize=16)
def cells_query(columns: Columns, source: str) -> str:
    """Columns c0, c1, … (cells; typed text for json) and `names`: attributes in `source.image`."""
    if not columns.all:
        return f"SELECT len(json_keys(image)) AS names FROM {source}"
    structure = {column.name: _member(column) for column in columns}
    transformed = f"json_transform(image, {_literal(json.dumps(structure))})"
    cells = [f"{_cell(column, i)} AS c{i}" for i, column in enumerate(columns)]
    return (
        f"SELECT {', '.join(cells)}, len(json_keys(image)) AS names "
        f"FROM (SELECT image, {transformed} AS typed FROM {source})"
    )


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
