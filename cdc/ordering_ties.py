"""Ties: changes of one item whose times do not tell which one is newer.

The images are looked at, one item at a time, and the row in the file, by the rule of
`cdc.ordering`. Where that does not tell, the item is read from the table, consistently: the answer
knows every change up to the request, so changes that were made before it are late from then on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from cdc import ordering
from cdc.accelerator import Accelerator
from cdc.backoff import Reaction, delay_seconds, reaction
from cdc.errors import CdcError, SourceUnreachable
from cdc.ordering import HELD, Remembered, State, Step, image_of, texts_of
from cdc.polling import Workers
from cdc.records import EventName, Stamp, StreamRecord
from cdc.source import ItemReader
from cdc.troubles import Troubles

# Service time is known to about a second; a change within it is settled by its own record.
_READ_SLACK_US = 1_000_000
_ITEM = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Halted(Exception):
    """Capture was stopped before an item could be read: nothing of the batch is committed."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The newest change of an item; `record` None: the file holds it. `duplicates`: dropped."""

    record: StreamRecord | None = None
    stamp: Remembered | None = None
    duplicates: int = 0
    rule: str = ""


class ItemLookup:
    """Reads items from the table, again until it is told. Raises what repeating does not help."""

    def __init__(
        self,
        source: ItemReader,
        *,
        now: Callable[[], float],
        workers: Workers,
        troubles: Troubles,
        stop: threading.Event,
    ) -> None:
        self._source = source
        self._now = now
        self._workers = workers
        self._troubles = troubles
        self._stop = stop

    def read(self, key: str) -> tuple[msgspec.Raw | None, int]:
        """The item's image, None if there is none, and the microsecond up to which it is sure.

        Raises Halted.
        """
        failures = 0
        while True:
            try:
                page = self._source.get_item(key)
                item = _ITEM.decode(page.body).get("Item")
            except (msgspec.MsgspecError, CdcError) as error:
                failures += 1
                self._failed(error)
            else:
                self._troubles.succeeded("repair")
                return item, int(page.requested_at * 1_000_000) - _READ_SLACK_US
            if self._stop.is_set():
                raise Halted
            self._workers.pause(delay_seconds(failures, 0.0), self._stop)

    def _failed(self, error: CdcError | msgspec.MsgspecError) -> None:
        if not isinstance(error, CdcError):
            error = SourceUnreachable(f"GetItem answered with no item: {error}")
        self._troubles.failed("repair", error, self._now())
        if reaction(error) not in (Reaction.RETRY, Reaction.PERSIST):
            raise error


class Ties:
    """Settles ties of one table. `excluded`: attributes that rows are stored without."""

    def __init__(
        self, accelerator: Accelerator, lookup: ItemLookup, excluded: frozenset[str]
    ) -> None:
        self._accelerator = accelerator
        self._lookup = lookup
        self._excluded = excluded

    def settle(self, records: Sequence[StreamRecord], held: Remembered | None, h: bytes) -> Settled:
        """The newest of changes of the item `h`, and of its stamp if its time reaches so far."""
        stamps = [Remembered.of(h, record) for record in records]
        top = max(stamp.first_us for stamp in stamps)
        if held is not None and held.last_us < max(top, held.first_us):
            held = None
        distinct = _distinct(stamps, held)
        duplicates = len(records) - len(distinct)
        if not distinct:
            return Settled(duplicates=duplicates)
        if len(distinct) == 1 and held is None:
            number = distinct[0]
            return Settled(records[number], stamps[number], duplicates)
        tied = [stamps[number] for number in distinct] + ([] if held is None else [held])
        first_us = max(stamp.first_us for stamp in tied)
        last_us = max(stamp.last_us for stamp in tied)
        # Told in two units, a change may overlap others that do not overlap each other.
        is_one_time = len({(stamp.first_us, stamp.last_us) for stamp in tied}) == 1
        last = self._last_of(distinct, records, stamps, held) if is_one_time else None
        if last is None:
            record, at_us = self._from_table(records[distinct[-1]])
            if at_us > last_us:
                first_us = last_us = at_us
            stamp = Remembered.of(h, record)
            times = replace(stamp, first_us=first_us, last_us=last_us, crowded=True)
            return Settled(record, replace(times, repaired_us=at_us), duplicates, "table")
        stamp = held if last == HELD and held is not None else stamps[last]
        times = replace(stamp, first_us=first_us, last_us=last_us, crowded=True)
        return Settled(None if last == HELD else records[last], times, duplicates, "images")

    def _last_of(
        self,
        numbers: Sequence[int],
        records: Sequence[StreamRecord],
        stamps: Sequence[Remembered],
        held: Remembered | None,
    ) -> int | None:
        """The number of the newest change; None where the images do not tell."""
        if held is not None and held.crowded:
            return None
        try:
            steps = [Step(number, *self._images(records[number])) for number in numbers]
            if held is not None:
                row = self._row(records[numbers[0]], held)
                steps.append(Step(HELD, _found_by(held, steps, stamps), row))
        except (ValueError, _UnknownImage):
            return None
        return ordering.newest(steps)

    def _images(self, record: StreamRecord) -> tuple[State, State]:
        old, new = texts_of(record)
        if (old is None) != (record.event_name == "INSERT"):
            raise _UnknownImage
        return image_of(old, self._excluded), image_of(new, self._excluded)

    def _row(self, record: StreamRecord, held: Remembered) -> State:
        """What the stamp's change left."""
        row = self._accelerator.read(msgspec.json.decode(record.keys))
        if (row is None) != (held.image is None):
            raise _UnknownImage  # the change itself is in quarantine
        return None if row is None else ordering.comparable(row, self._excluded)

    def _from_table(self, record: StreamRecord) -> tuple[StreamRecord, int]:
        item, at_us = self._lookup.read(bytes(record.keys).decode())
        name: EventName = "REMOVE" if item is None else "MODIFY"
        sequence, keys = record.sequence, record.keys
        # A copy of its own: the answer of the service is not kept for an image.
        image = None if item is None else msgspec.Raw(bytes(item))
        stamp = Stamp("", 0, 0)
        return StreamRecord(name, sequence, record.created, keys, image, stamp=stamp), at_us


class _UnknownImage(Exception):
    """An image that a change should have is missing."""


def _found_by(held: Remembered, steps: Sequence[Step], stamps: Sequence[Remembered]) -> State:
    """The image that the stamp's change found; only its digest is known."""
    for step in steps:
        if stamps[step.number].image == held.before:
            return step.new
        if stamps[step.number].before == held.before:
            return step.old
    return {"": (held.before or b"").hex()}  # no item has an attribute without a name


def _distinct(stamps: Sequence[Remembered], held: Remembered | None) -> list[int]:
    """Numbers of changes that differ in time or images: the others are one that came twice."""
    # A stamp of several changes, or of a repair, says nothing of one.
    is_one = held is not None and not held.crowded
    seen = {_marks(held)} if held is not None and is_one else set()
    distinct = []
    for number, stamp in enumerate(stamps):
        if _marks(stamp) not in seen:
            seen.add(_marks(stamp))
            distinct.append(number)
    return distinct


def _marks(stamp: Remembered) -> tuple[object, ...]:
    return (stamp.first_us, stamp.last_us, stamp.before, stamp.image)
