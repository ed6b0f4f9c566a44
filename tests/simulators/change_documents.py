"""What DynamoDB writes into a Kinesis stream of its changes, as values and as bytes; pure.

`Changes` is a table that notes each change of its items. `document` gives the JSON that the service
writes of one, `shuffled` a delivery of many as the service may deliver them: twice, later, out of
order, beside other tables, with partition keys that say nothing of the item.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

TypedItem = dict[str, dict[str, Any]]
# "ms unsaid": as recorded in 2024, before documents said their precision.
Unit = Literal["ms", "us", "ms unsaid"]
_TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@dataclass(frozen=True)
class Change:
    """One change of one item. `at_us`: epoch microseconds."""

    table: str
    keys: TypedItem
    old: TypedItem | None
    new: TypedItem | None
    at_us: int
    event_id: str
    is_ttl: bool = False

    @property
    def event_name(self) -> str:
        if self.new is None:
            return "REMOVE"
        return "INSERT" if self.old is None else "MODIFY"


@dataclass(frozen=True)
class Delivery:
    """One record of the stream."""

    data: bytes
    partition_key: str


@dataclass(frozen=True)
class Disorder:
    """`window`: how many places a document may be late. Shares are of all documents.

    `soon`: come again within the window. `late`: come again when all others have come.
    """

    window: int = 0
    soon: float = 0.0
    late: float = 0.0


ORDERLY = Disorder()


class Changes:
    """A table in memory. Values are those of boto3: typed, binary as bytes.

    Each change is `step_us` later than the one before it; with 0 they are ties.
    """

    def __init__(
        self,
        name: str = "routes",
        *,
        keys: tuple[str, ...] = ("id",),
        now_us: int = 1_795_000_000_000_000,
        step_us: int = 1_000,
        seed: int = 0,
    ) -> None:
        self.name, self.key_names = name, keys
        self.now_us, self.step_us = now_us, step_us
        self.log: list[Change] = []
        self._items: dict[str, TypedItem] = {}
        self._random = Random(f"{name} {seed}")

    def items(self) -> list[TypedItem]:
        return list(self._items.values())

    def put(self, item: TypedItem) -> Change | None:
        """Store an item; one that is there already is no change."""
        return self._change(self._keys(item), item)

    def delete(self, keys: TypedItem, *, ttl: bool = False) -> Change | None:
        """Delete an item; one that is not there is no change."""
        return self._change(self._keys(keys), None, ttl=ttl)

    def _keys(self, item: TypedItem) -> TypedItem:
        return {name: item[name] for name in self.key_names}

    def _change(
        self, keys: TypedItem, new: TypedItem | None, *, ttl: bool = False
    ) -> Change | None:
        place = json.dumps(wire(keys), sort_keys=True)
        old = self._items.get(place)
        if old == new:
            return None
        if new is None:
            del self._items[place]
        else:
            self._items[place] = new
        event_id = f"{self._random.getrandbits(128):032x}"
        change = Change(self.name, keys, old, new, self.now_us, event_id, ttl)
        self.now_us += self.step_us
        self.log.append(change)
        return change


def document(change: Change, unit: Unit = "us", region: str = "us-east-1") -> bytes:
    """The record's data, as the service writes it."""
    at = change.at_us if unit == "us" else change.at_us // 1000
    body: dict[str, Any] = {"ApproximateCreationDateTime": at}
    if unit != "ms unsaid":
        precision = "MICROSECOND" if unit == "us" else "MILLISECOND"
        body["ApproximateCreationDateTimePrecision"] = precision
    images = {"Keys": change.keys, "NewImage": change.new, "OldImage": change.old}
    body |= {name: wire(image) for name, image in images.items() if image is not None}
    body["SizeBytes"] = sum(len(json.dumps(wire(image))) for image in images.values() if image)
    written = {
        "awsRegion": region,
        "eventID": _as_uuid(change.event_id),
        "eventName": change.event_name,
        "userIdentity": _TTL if change.is_ttl else None,
        "recordFormat": "application/json",
        "tableName": change.table,
        "dynamodb": body,
        "eventSource": "aws:dynamodb",
    }
    return json.dumps(written, separators=(",", ":"), ensure_ascii=False).encode()


def wire(value: Any) -> Any:
    """Typed JSON as boto3 has it, with binary as base64 text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: wire(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [wire(each) for each in value]
    return value


@dataclass
class Mixer:
    """Puts deliveries into the stream's order; what is due at the very end waits in `later`."""

    seed: int
    disorder: Disorder = ORDERLY
    unit: Unit = "us"
    later: list[Delivery] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def mixed(self, changes: Iterable[Change]) -> list[Delivery]:
        """Each change at least once, none more than a window from its place."""
        random, disorder = self._random, self.disorder
        placed: list[tuple[float, Delivery]] = []
        for place, change in enumerate(changes):
            delivery = self.delivery(change)
            placed.append((place + random.random() * disorder.window, delivery))
            if random.random() < disorder.soon:
                again = place + random.random() * max(1, disorder.window)
                placed.append((again, self.again(delivery)))
            if random.random() < disorder.late:
                self.later.append(self.again(delivery))
        return [delivery for _, delivery in sorted(placed, key=lambda each: each[0])]

    def delivery(self, change: Change, unit: Unit | None = None) -> Delivery:
        return Delivery(document(change, unit or self.unit), self._partition_key())

    def again(self, delivery: Delivery) -> Delivery:
        """The same document, wherever chance puts it."""
        return Delivery(delivery.data, self._partition_key())

    def _partition_key(self) -> str:
        return f"{self._random.getrandbits(64):016x}"


def shuffled(
    changes: Iterable[Change], seed: int, disorder: Disorder = ORDERLY, *, unit: Unit = "us"
) -> list[Delivery]:
    """A whole delivery; the late duplicates come last, in any order."""
    mixer = Mixer(seed, disorder, unit)
    deliveries = mixer.mixed(changes)
    Random(seed).shuffle(mixer.later)
    return deliveries + mixer.later


def _as_uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
