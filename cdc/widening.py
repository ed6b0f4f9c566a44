"""Which type would hold much more of a column's values than the one it has.

A type that came of the first batches may turn out too narrow: then most values stand in `_rest`,
exact but far from SQL. When base is written anew anyway, such a column gets a wider type:

    integer -> decimal(6)   numbers with a fraction or more than 64 bits, from a tenth of the values
    anything -> text        nearly all values are text (`20 x` as many as the column would lose)
    anything -> json        values of several types, at least as many as the column holds

Never back, so a column changes a few times in its life at most. A declared column never changes,
and one of the key only from integer to decimal, because keys are looked up by their cells.
"""

from __future__ import annotations

from dataclasses import dataclass

from cdc.columns import Column

# A column of decimals holds 38 digits; a larger scale leaves fewer of them before the point.
_SCALES = (2, 6, 12, 18)
_DIGITS = 38
# What plain JSON keeps of a number, less those of 64 bits.
_JSON_DIGITS = 15
_MUCH = 20


@dataclass(frozen=True, slots=True)
class Spilled:
    """So many values in `_rest` of this type. Numbers: digits before and behind the point.

    `whole` is None for a number in another than its canonical spelling.
    """

    tag: str
    count: int
    whole: int | None = None
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds of one attribute. `whole`: most digits before the point in a cell."""

    held: int
    spilled: tuple[Spilled, ...]
    whole: int = 0


def widened(column: Column, found: Found, *, is_key: bool = False) -> Column | None:
    """The column with a wider type, or None if it should stay as it is."""
    if column.kind == "json":
        return None
    decimal = _decimal(column, found)
    if is_key:
        return decimal[0] if decimal and column.kind in ("integer", "decimal") else None
    candidates = [decimal, _text(column, found)]
    json = _json(column, found)
    most = 0 if json is None else json[1]
    for candidate in candidates:
        if candidate is not None and candidate[1] * _MUCH >= most * (_MUCH - 1):
            return candidate[0]
    return None if json is None else json[0]


def may_become(column: Column, wider: Column) -> bool:
    """True if `widened` can lead from the one to the other, in one step or more."""
    match wider.kind:
        case "text" | "json":
            return column.kind not in (wider.kind, "json")
        case "decimal":
            is_wider = column.kind == "decimal" and column.scale < wider.scale
            return is_wider or column.kind == "integer"
    return False


_Candidate = tuple[Column, int]


def _decimal(column: Column, found: Found) -> _Candidate | None:
    """The smallest scale that holds most, and how many values that gains."""
    is_number = column.kind in ("integer", "decimal")
    if column.kind == "text":
        return None
    best: _Candidate | None = None
    for scale in _SCALES:
        loses = found.held if not is_number else 0
        if column.kind == "decimal" and scale <= column.scale:
            continue
        if is_number and found.whole > _DIGITS - scale:
            continue
        gain = sum(
            one.count
            for one in found.spilled
            if one.tag == "N" and one.whole is not None
            if one.scale <= scale and one.whole <= _DIGITS - scale
        )
        is_enough = 10 * gain >= found.held if is_number else gain >= _MUCH * loses
        if gain and is_enough and (best is None or gain > best[1]):
            best = (Column(column.name, "decimal", scale), gain)
    return best


def _text(column: Column, found: Found) -> _Candidate | None:
    gain = sum(one.count for one in found.spilled if one.tag == "S")
    if column.kind == "text" or not gain or gain < _MUCH * found.held:
        return None
    return Column(column.name, "text"), gain


def _json(column: Column, found: Found) -> _Candidate | None:
    gain = sum(one.count for one in found.spilled if _is_plain(one))
    loses = found.held if column.kind == "binary" else 0
    if not gain or gain < found.held or gain < _MUCH * loses:
        return None
    return Column(column.name, "json"), gain


def _is_plain(one: Spilled) -> bool:
    if one.tag == "N":
        return one.whole is not None and one.whole + one.scale <= _JSON_DIGITS
    return one.tag in ("S", "BOOL", "M", "L")
