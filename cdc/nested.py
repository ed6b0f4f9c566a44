"""Nested attributes: typed DynamoDB JSON to plain JSON for people, and back where nothing is lost.

    {"M":{"a":{"N":"1"},"b":{"L":[{"BOOL":true}]}}}   <->   {"a":1,"b":[true]}

A map or list is lossless if every leaf is S, BOOL, NULL or a number that JSON readers keep: 64
bits, or at most 15 significant digits, in its canonical spelling. Sets, binary and longer numbers
have a plain form too (array, base64 text, number), but it does not say what they were, so whoever
stores it must keep the typed form elsewhere.

Python recursion on nested attributes alone is faster than regular expressions over the whole text,
and right at any depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import NoneType
from typing import Any

import msgspec

from cdc.keys import canonical_number

# Doubles carry 15 decimal digits without loss, whatever the digits are.
_SAFE_DIGITS = 15
_SHORT_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_INTEGER = re.compile(r"-?[1-9][0-9]{18}")
_INT64 = range(-(2**63), 2**63)


class _PlainNumber(str):
    """A number with a fraction, by its text."""

    __slots__ = ()


_TYPED = msgspec.json.Decoder()
_PLAIN = msgspec.json.Decoder(float_hook=_PlainNumber)
_ENCODE = msgspec.json.Encoder()


def plain_from_typed(text: str | bytes) -> tuple[str, bool]:
    """Plain JSON text of a typed value, and True if `typed_from_plain` gives it back.

    Raises ValueError for text that is not JSON, lone surrogates included.
    """
    walk = _Walk()
    typed = _TYPED.decode(text)
    value = walk.plain(typed)
    return _ENCODE.encode(value).decode(), walk.lossless


def typed_from_plain(text: str | bytes) -> dict[str, Any]:
    """The typed form of plain JSON text that was lossless. Raises ValueError if it is not JSON."""
    return _typed(_PLAIN.decode(text))


def is_int64(text: str) -> bool:
    """True for the canonical text of an integer of 64 bits."""
    if _SHORT_INTEGER.fullmatch(text):
        return True
    return _INTEGER.fullmatch(text) is not None and int(text) in _INT64


class _Walk:
    """One descent; `lossless` turns False at the first value that plain JSON cannot hold."""

    __slots__ = ("lossless",)

    def __init__(self) -> None:
        self.lossless = True

    def plain(self, typed: Any) -> Any:
        if isinstance(typed, dict) and len(typed) == 1:
            tag, value = next(iter(typed.items()))
            form = _FORMS.get((tag, type(value)))
            if form is not None:
                return form(self, value)
            self.lossless = False
            return value
        self.lossless = False
        return typed

    def members(self, value: dict[str, Any]) -> Any:
        return {name: self.plain(member) for name, member in value.items()}

    def entries(self, value: list[Any]) -> Any:
        return [self.plain(member) for member in value]

    def null(self, value: bool) -> Any:  # noqa: FBT001 - DynamoDB spells it {"NULL": true}
        self.lossless &= value
        return None

    def number_set(self, value: list[Any]) -> Any:
        self.lossless = False
        return [self.number(str(member)) for member in value]

    def number(self, text: str) -> Any:
        if _SHORT_INTEGER.fullmatch(text):
            return int(text)
        try:
            canonical = canonical_number(text)
        except ValueError:
            self.lossless = False
            return text
        if canonical != text or not _json_keeps(canonical):
            self.lossless = False
        return msgspec.Raw(canonical.encode())


_FORMS: dict[tuple[str, type], Callable[[_Walk, Any], Any]] = {
    ("S", str): lambda _, value: value,
    ("BOOL", bool): lambda _, value: value,
    ("NULL", bool): _Walk.null,
    ("N", str): _Walk.number,
    ("M", dict): _Walk.members,
    ("L", list): _Walk.entries,
    ("NS", list): _Walk.number_set,
}


def _json_keeps(canonical: str) -> bool:
    digits = canonical.lstrip("-").replace(".", "").strip("0")
    return len(digits) <= _SAFE_DIGITS or is_int64(canonical)


def _typed(plain: Any) -> dict[str, Any]:
    return _INVERSE[type(plain)](plain)


_INVERSE: dict[type, Callable[[Any], dict[str, Any]]] = {
    str: lambda plain: {"S": plain},
    bool: lambda plain: {"BOOL": plain},
    int: lambda plain: {"N": str(plain)},
    _PlainNumber: lambda plain: {"N": str(plain)},
    NoneType: lambda _: {"NULL": True},
    dict: lambda plain: {"M": {name: _typed(member) for name, member in plain.items()}},
    list: lambda plain: {"L": [_typed(member) for member in plain]},
}
