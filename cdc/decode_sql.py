"""The SQL of the decoder: text in, text out.

Numbers are pulled as text and checked, because `json_transform` straight into a number rounds in
silence (`1.5` becomes 2) and casts are lenient (`1_000`, ` 5 `). Results are addressed by position,
so no attribute name ever has to be legal as an SQL name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cdc.columns import Column, Columns, Kind
from cdc.keys import KeyAttribute, KeySchema, KeyType
from cdc.shapes import Leaf, Shape

TAGS: dict[Kind, str] = {
    "text": "S",
    "integer": "N",
    "decimal": "N",
    "boolean": "BOOL",
    "binary": "B",
}
_DECIMAL_DIGITS = 38
# But for -0.
CANONICAL_NUMBER = r"-?(0|[1-9][0-9]*)([.][0-9]*[1-9])?"
# Canonical numbers that every JSON reader keeps; some others, too, are found out one by one.
PLAIN_NUMBER = r"0|-?[1-9][0-9]{0,17}|-?(0|[1-9][0-9]{0,5})[.][0-9]{0,8}[1-9]"
_LENGTHS = 256


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


def leaves_query(
    keys: KeySchema,
    columns: Columns,
    shapes: Mapping[str, Shape],
    source: str,
    excluded: Sequence[str] = (),
) -> str:
    """One row for each `text` of `source`, an image or a key, in one pass over its JSON.

    Columns: `h` as above; c0, c1, … the cells, NULL for what is not exact; of a json column with a
    shape the plain text, of one without the typed text; `others`, the bytes of `excluded` members.
    """
    paths: dict[str, str] = {}

    def value(path: str) -> str:
        return paths.setdefault(path, f"v[{len(paths) + 1}]")

    texts = [value(_path(attribute.name, attribute.type)) for attribute in keys.attributes]
    selected = [_identity(keys, texts)]
    for i, column in enumerate(columns):
        shape = shapes.get(column.name)
        if column.kind != "json":
            cell = _checked(column, value(_path(column.name, TAGS[column.kind])))
        elif shape is None:
            cell = value(_path(column.name))
        else:
            cell = _plain(shape, [value(_leaf_path(column.name, leaf)) for leaf in shape.leaves])
        selected.append(f"{cell} AS c{i}")
    others = [
        f"coalesce(strlen({value(_path(name))}) + {member_bytes(name)}, 0)" for name in excluded
    ]
    selected.append(f"({' + '.join(others) or '0'})::INTEGER AS others")
    listed = ", ".join(map(_literal, paths))
    return (
        f"SELECT {', '.join(selected)} "
        f"FROM (SELECT json_extract_string(text, [{listed}]) AS v FROM {source})"
    )


def member_bytes(name: str) -> int:
    """The length of what stands around a member's value: "name": and a comma."""
    return len(json.dumps(name, ensure_ascii=False).encode()) + len(":,")


def _path(*names: str) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def _leaf_path(name: str, leaf: Leaf) -> str:
    inner = [part for member in leaf.names for part in ("M", member)]
    return _path(name, *inner, leaf.tag)


def _plain(shape: Shape, values: Sequence[str]) -> str:
    """The plain text of a value of this shape; no text in it may need to be escaped."""
    tests = [_is_plain(leaf, value) for leaf, value in zip(shape.leaves, values, strict=True)]
    parts = [_literal(shape.pieces[0])]
    for value, piece in zip(values, shape.pieces[1:], strict=True):
        parts += [value, _literal(piece)]
    return f"CASE WHEN {' AND '.join(tests)} THEN concat({', '.join(parts)}) END"


def _is_plain(leaf: Leaf, value: str) -> str:
    if leaf.tag == "N":
        return f"regexp_full_match({value}, {_literal(PLAIN_NUMBER)})"
    return f"{value} IN ('true', 'false')" if leaf.tag == "BOOL" else f"{value} IS NOT NULL"


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
        if column.name == attribute.name and TAGS.get(column.kind) == attribute.type:
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
        return f"encode({_header('B', f'octet_length({raw})')}) || {raw}"
    part = f"{_header(type_, f'strlen({text})')} || {text}"
    if type_ == "N":
        is_canonical = f"regexp_full_match({text}, {_literal(CANONICAL_NUMBER)}) AND {text} <> '-0'"
        part = f"CASE WHEN {is_canonical} THEN {part} END"
    return f"encode({part})" if to_bytes else part


def _header(type_: KeyType, length: str) -> str:
    """The type and eight hex digits; printf would take a third of an identity's time."""
    texts = _literal("".join(f"{type_}{number:08x}" for number in range(_LENGTHS)))
    usual = f"substr({texts}, {length} * 9 + 1, 9)"
    return f"CASE WHEN {length} < {_LENGTHS} THEN {usual} ELSE printf('{type_}%08x', {length}) END"


def _member(column: Column) -> str | dict[str, str]:
    if column.kind == "json":
        return "JSON"
    return {TAGS[column.kind]: "BOOLEAN" if column.kind == "boolean" else "VARCHAR"}


def _cell(column: Column, index: int) -> str:
    value = _at("typed", index + 1)
    if column.kind == "json":
        return f"{value}::VARCHAR"
    if column.kind == "boolean":
        return _at(value, 1)
    return _checked(column, _at(value, 1))


def _checked(column: Column, value: str) -> str:
    """The cell for the text of a value, NULL where the cell would not give the text back."""
    if column.kind == "boolean":
        return f"CASE {value} WHEN 'true' THEN true WHEN 'false' THEN false END"
    if column.kind == "integer":
        number = f"TRY_CAST({value} AS BIGINT)"
        return f"CASE WHEN {number}::VARCHAR = {value} THEN {number} END"
    if column.kind == "decimal":
        pattern = _literal(decimal_pattern(column.scale))
        return (
            f"CASE WHEN regexp_full_match({value}, {pattern}) AND {value} <> '-0' THEN {value} END"
        )
    if column.kind == "binary":
        return f"TRY(from_base64({value}))"
    return value


def decimal_pattern(scale: int) -> str:
    """What a decimal column of this scale holds exactly, but for -0."""
    whole = _DECIMAL_DIGITS - scale
    fraction = f"([.][0-9]{{0,{scale - 1}}}[1-9])?" if scale else ""
    return f"-?(0|[1-9][0-9]{{0,{whole - 1}}}){fraction}"


def _at(struct: str, position: int) -> str:
    return f"struct_extract_at({struct}, {position})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
