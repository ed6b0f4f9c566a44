"""Keys as people type them: text for S, a number for N, base64 for B."""

from __future__ import annotations

from cdc.keys import Item, KeySchema, canonical_number


def typed_key(schema: KeySchema, words: list[str]) -> Item:
    """The typed key. Raises ValueError that says what was expected."""
    names = [attribute.name for attribute in schema.attributes]
    if len(words) != len(names):
        raise ValueError(f"the key needs {len(names)} value(s): {', '.join(names)}")
    key: Item = {}
    for attribute, word in zip(schema.attributes, words, strict=True):
        kind = {"S": "text", "N": "a number", "B": "base64"}[attribute.type]
        try:
            value = canonical_number(word) if attribute.type == "N" else word
            key[attribute.name] = {attribute.type: value}
            attribute.value_bytes(key[attribute.name])
        except ValueError as error:
            raise ValueError(f"key {attribute.name}: {word!r} is not {kind}") from error
    return key
