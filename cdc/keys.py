"""The primary key of a table: its schema, its canonical form and its 128-bit identity.

One item must be one row, so numbers in keys are brought to one spelling here (`0`, no leading or
trailing zeros, no exponent): emulators echo what was written, AWS normalises.

    identity = md5( for each key attribute: type letter, byte length as 8 hex digits, value bytes )

The value bytes are UTF-8 text for S, the canonical text for N and the raw bytes for B. md5 is used
for its width, not for secrecy: 64 bits would delete a stranger's row once in a life of 10^9 keys.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

KeyType = Literal["S", "N", "B"]
Item = dict[str, dict[str, Any]]

_CANONICAL_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?")


def canonical_number(text: str) -> str:
    """The one spelling of a DynamoDB number. Raises ValueError if `text` is not a number."""
    if _CANONICAL_NUMBER.fullmatch(text) and text != "-0":
        return text
    try:
        number = Decimal(text)
    except ArithmeticError as error:
        raise ValueError(f"not a number: {text!r}") from error
    if not number.is_finite():
        raise ValueError(f"not a finite number: {text!r}")
    if number == 0:
        return "0"
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """One attribute of the primary key."""

    name: str
    type: KeyType

    def value_bytes(self, typed: dict[str, Any]) -> bytes:
        """The bytes that identity is computed from. `typed` is e.g. {"S": "route#1"}."""
        value = typed[self.type]
        if self.type == "S":
            return str(value).encode()
        if self.type == "N":
            return canonical_number(str(value)).encode()
        return value if isinstance(value, bytes) else base64.b64decode(value)


@dataclass(frozen=True, slots=True)
class KeySchema:
    """Partition key, and sort key where the table has one."""

    partition: KeyAttribute
    sort: KeyAttribute | None = None

    @property
    def attributes(self) -> tuple[KeyAttribute, ...]:
        """The key's attributes in order."""
        return (self.partition,) if self.sort is None else (self.partition, self.sort)

    def identity(self, key: Item) -> bytes:
        """16 bytes that identify the item whose typed key attributes are in `key`."""
        digest = hashlib.md5(usedforsecurity=False)
        for attribute in self.attributes:
            value = attribute.value_bytes(key[attribute.name])
            digest.update(attribute.type.encode() + f"{len(value):08x}".encode() + value)
        return digest.digest()

    def to_json(self) -> list[dict[str, str]]:
        """A JSON-ready form; `from_json` is its inverse."""
        return [{"name": attribute.name, "type": attribute.type} for attribute in self.attributes]

    @staticmethod
    def from_json(data: list[dict[str, Any]]) -> KeySchema:
        """The schema that `to_json` wrote."""
        attributes = [KeyAttribute(entry["name"], entry["type"]) for entry in data]
        return KeySchema(attributes[0], attributes[1] if len(attributes) > 1 else None)
