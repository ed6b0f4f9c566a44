"""What the soak's stream holds at any moment, by arithmetic: server and audit reckon it alike.

Lanes of shards, each with the same rate of records. At each rollover the shard of every lane closes
and its child goes on. Record `index` of a shard is written at `start + (index + 1) / rate`; the
start is in the shard's id.
"""

from dataclasses import dataclass

from cdc.checkpoint import shard_started_at

FIRST_SEQUENCE = 10**21
KEYS_PER_LANE = 100
TABLE = "soak"
ARN = f"arn:aws:dynamodb:eu-west-1:123456789012:table/{TABLE}"
STREAM_ARN = f"{ARN}/stream/2026-01-01T00:00:00.000"


@dataclass(frozen=True)
class Plan:
    """`began_at`: epoch seconds. `rate`: records a second of each lane."""

    began_at: float
    lanes: int
    rate: float
    rollover_seconds: float

    def start_of(self, generation: int) -> float:
        return self.began_at + generation * self.rollover_seconds

    def shard_id(self, lane: int, generation: int) -> str:
        return f"shardId-{round(self.start_of(generation) * 1000):020d}-{lane:08x}"

    def lane_of(self, shard_id: str) -> int:
        return int(shard_id.rpartition("-")[2], 16)

    def generation_of(self, shard_id: str) -> int:
        return round((started_at(shard_id) - self.began_at) / self.rollover_seconds)

    def generation_at(self, now: float) -> int:
        return max(0, int((now - self.began_at) / self.rollover_seconds))

    @property
    def records_of_closed(self) -> int:
        return int(self.rollover_seconds * self.rate)

    def records_at(self, generation: int, now: float) -> int:
        """How many records a shard of this generation holds."""
        written = int((now - self.start_of(generation)) * self.rate)
        return max(0, min(written, self.records_of_closed))

    def is_closed(self, generation: int, now: float) -> bool:
        return now >= self.start_of(generation + 1)

    def written_at(self, shard_id: str, index: int) -> float:
        return started_at(shard_id) + (index + 1) / self.rate

    def number_of(self, generation: int, index: int) -> int:
        """The running number of a record in its lane; also the value that it writes."""
        return generation * self.records_of_closed + index


def started_at(shard_id: str) -> float:
    at = shard_started_at(shard_id)
    assert at is not None
    return at


def key_of(lane: int, number: int) -> str:
    return f"lane-{lane:04d}-key-{number % KEYS_PER_LANE:03d}"
