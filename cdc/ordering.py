"""Which of several changes of one item is the newest, where the stream keeps no order.

What is remembered of an item is a *stamp*, the newest change that is in the file:

    _h           fixed_size_binary(16)  identity of the item
    first_us     int64   it was made within these, epoch microseconds; together with others of the
    last_us      int64   same time, within all of theirs
    event        string  its id; empty after a repair
    image        binary(16)  digest of what it left, NULL if it deleted the item
    before       binary(16)  digest of what it found, NULL if it made the item
    crowded      bool    not the only change of its time
    repaired_us  int64   the item was read from the table, which knew all changes up to here

Time comes first: a change whose time lies wholly behind another's is newer. Changes whose times
overlap are a tie. One with the same event, or of the same time with the same images, is a
duplicate. The others have to be of exactly one time, and to form one path: each begins with the
image that the one before left, no image comes twice, and every change of the tie is on it, that of
the stamp included. Then the last on the path is the newest. Any other tie says too little: the item
is read from the table.

Why no image may come twice: A to B to A to B has two beginnings and two ends, and a change that is
still on its way may join them in more than one way. And why a stamp of several changes never takes
part in another path: it names its last change only, so what comes late at the same time could be a
duplicate of an earlier one. So each answer is right, or is replaced when the rest has come. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import msgspec
import pyarrow as pa

from cdc.keys import Item
from cdc.rebuild import canonical_item
from cdc.records import Stamp, StreamRecord

STAMPS = pa.schema(
    [
        pa.field("_h", pa.binary(16)),
        pa.field("first_us", pa.int64()),
        pa.field("last_us", pa.int64()),
        pa.field("event", pa.string()),
        pa.field("image", pa.binary(16)),
        pa.field("before", pa.binary(16)),
        pa.field("crowded", pa.bool_()),
        pa.field("repaired_us", pa.int64()),
    ]
)
# An image as it is compared, None for no item.
State = Any


@dataclass(frozen=True, slots=True)
class Remembered:
    """A row of `STAMPS`."""

    identity: bytes
    first_us: int
    last_us: int
    event: str
    image: bytes | None
    before: bytes | None
    crowded: bool = False
    repaired_us: int | None = None

    @staticmethod
    def of(identity: bytes, record: StreamRecord) -> Remembered:
        """What is remembered of a change that nothing competes with."""
        stamp = record.stamp or Stamp("", 0, 0)
        before, image = (digest_of(each) for each in texts_of(record))
        return Remembered(identity, stamp.first_us, stamp.last_us, stamp.event, image, before)


def stamps_of(table: pa.Table) -> list[Remembered]:
    """The rows of a table of `STAMPS`."""
    columns = (table.column(name).to_pylist() for name in STAMPS.names)
    return [Remembered(*row) for row in zip(*columns, strict=True)]


def table_of(stamps: Sequence[Remembered]) -> pa.Table:
    """The table of `STAMPS` with these rows."""
    if not stamps:
        return empty_stamps()
    columns = zip(*(astuple(stamp) for stamp in stamps), strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, STAMPS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=STAMPS)


def empty_stamps() -> pa.Table:
    """No stamps."""
    return pa.Table.from_batches([], STAMPS)  # see `cdc.batch.empty_batch`


def texts_of(record: StreamRecord) -> tuple[bytes | None, bytes | None]:
    """The image that a change found and the one that it left."""
    old = None if record.stamp is None else record.stamp.old
    is_gone = record.event_name == "REMOVE" or record.image is None
    return None if old is None else bytes(old), None if is_gone else bytes(record.image or b"")


@dataclass(frozen=True, slots=True)
class Step:
    """A change in a tie: the image that it found and the one that it left, None for no item.

    `number` says which one it is; the stamp's has HELD.
    """

    number: int
    old: State
    new: State


HELD = -1


def newest(steps: Sequence[Step]) -> int | None:
    """The number of the last step on the one path of all these steps; None if there is none."""
    by_old = {_text(step.old): step for step in steps}
    news = {_text(step.new) for step in steps}
    starts = [old for old in by_old if old not in news]
    # As many images as steps and one more: no image comes twice.
    if len(by_old) != len(steps) or len(news) != len(steps) or len(starts) != 1:
        return None
    at, last, walked = starts[0], None, 0
    while at in by_old:
        last = by_old[at]
        at, walked = _text(last.new), walked + 1
    return last.number if last is not None and walked == len(steps) else None


def image_of(raw: bytes | None, excluded: frozenset[str] = frozenset()) -> State:
    """An image as something that can be compared; None for none. Raises ValueError."""
    return None if raw is None else comparable(msgspec.json.decode(raw), excluded)


def comparable(item: Item, excluded: frozenset[str] = frozenset()) -> State:
    """An item as something that can be compared. Raises ValueError."""
    kept = {name: typed for name, typed in item.items() if name not in excluded}
    try:
        return canonical_item(kept)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"not an item: {error}") from error


def digest_of(image: bytes | msgspec.Raw | None) -> bytes | None:
    """What a stamp remembers of an image."""
    return None if image is None else hashlib.blake2b(image, digest_size=16).digest()


def digests_of(images: Sequence[msgspec.Raw | None]) -> pa.Array:
    """What stamps remember of many images."""
    return pa.array(map(digest_of, images), pa.binary(16))


def _text(state: State) -> bytes:
    """One text for each state; it can be looked up, unlike the state itself."""
    return msgspec.json.encode(state, order="sorted")
