"""What no cell holds: the `_rest` of misfit rows, counts of misfits, facts about new attributes.

Works on images of rows whose filled cells do not cover every attribute. In a settled table these
are few, so they are read in Python, attribute values staying undecoded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cdc.columns import AttributeFacts, Columns
from cdc.decode_input import Text
from cdc.keys import canonical_number
from cdc.nested import is_int64

_IMAGE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Leftovers:
    """`rests`: one text for each image, None where nothing is left. `counts`: values by attribute.

    NULL markers are left over by design and not counted. `unseen`: attributes without a column.
    """

    rests: list[str | None]
    counts: Mapping[str, int]
    unseen: Mapping[str, AttributeFacts]


def leftovers(
    images: Sequence[Text], claimed: Sequence[frozenset[str]], columns: Columns, *, learn: bool
) -> Leftovers:
    """What the cells of these images leave over. `claimed`: attributes that a cell holds exactly.

    `learn` False skips facts about unseen attributes. Raises ValueError for an image that is not
    JSON.
    """
    pairs = zip(images, claimed, strict=True)
    rests = [_unclaimed(_IMAGE.decode(image), names) for image, names in pairs]
    counts = Counter(
        name for rest in rests for name, raw in rest.items() if not _is_null(bytes(raw))
    )
    return Leftovers(
        [_ENCODER.encode(rest).decode() if rest else None for rest in rests],
        counts,
        _unseen(rests, frozenset(columns.names)) if learn else {},
    )


def typed_values(
    images: Sequence[Text | None], names: Sequence[str]
) -> dict[str, list[bytes | None]]:
    """The typed texts of some attributes, without blanks; None for an image that has none.

    Raises ValueError for an image that is not JSON.
    """
    decoded = [{} if image is None else _IMAGE.decode(image) for image in images]
    return {name: [_compact(members.get(name)) for members in decoded] for name in names}


def _compact(raw: msgspec.Raw | None) -> bytes | None:
    return None if raw is None else msgspec.json.format(bytes(raw), indent=-1)


def without(image: bytes, names: frozenset[str]) -> bytes | None:
    """The image less these attributes; None if it cannot be taken apart."""
    try:
        return _ENCODER.encode(_unclaimed(_IMAGE.decode(image), names))
    except (msgspec.MsgspecError, UnicodeError):
        return None


def totals_of(stored: Mapping[str, int], since: Mapping[str, int]) -> dict[str, int]:
    """Misfits by attribute: the file's counters of an earlier time, and what came since."""
    totals = dict(since)
    for name, count in stored.items():
        kind, _, attribute = name.partition(":")
        if kind == "misfit":
            totals[attribute] = totals.get(attribute, 0) + count
    return totals


def _unclaimed(image: dict[str, msgspec.Raw], claimed: frozenset[str]) -> dict[str, msgspec.Raw]:
    return {name: raw for name, raw in image.items() if name not in claimed}


def _is_null(raw: bytes) -> bool:
    return raw == b'{"NULL":true}' or (b'"NULL"' in raw[:12] and _ANY.decode(raw) == {"NULL": True})


def _unseen(
    rests: list[dict[str, msgspec.Raw]], known: frozenset[str]
) -> dict[str, AttributeFacts]:
    values: defaultdict[str, list[msgspec.Raw]] = defaultdict(list)
    for rest in rests:
        for name in rest.keys() - known:
            values[name].append(rest[name])
    return {name: _facts([_ANY.decode(raw) for raw in raws]) for name, raws in values.items()}


def _facts(values: list[Any]) -> AttributeFacts:
    typed = [value for value in values if isinstance(value, dict)]
    tags = frozenset(tag for value in typed for tag in value)
    numbers = [_canonical(value["N"]) for value in typed if "N" in value]
    return AttributeFacts(
        count=len(values),
        tags=tags,
        integers_only=all(is_int64(number) for number in numbers),
        scale=max((len(number.partition(".")[2]) for number in numbers), default=0),
    )


def _canonical(number: Any) -> str:
    try:
        return canonical_number(str(number))
    except ValueError:
        return str(number)
