"""kinesalite: Kinesis streams whose shards split and merge, with sequence numbers like AWS's.

The package comes from scripts/test-servers.sh. `kinesalite_server.js` starts it and supplies what
it lacks: AT_TIMESTAMP behind the last record (kinesalite never answers), MillisBehindLatest (it
says 0 whatever follows), ChildShards (only after `gives_children`), ListShards FROM_TIMESTAMP with
pages of two shards, a clock that can be moved.

What still differs from the service: ListShards knows no other filter and no other pages; there are
no rates (5 reads a second, 2 MiB), no 10 MiB page and no SubscribeToShard; calls take StreamName
and pass over StreamARN; a shard says that it has ended (NextShardIterator missing) only with an
empty page; a new shard's first records are dated up to 1 s ahead; signatures are not verified.
"""

import itertools
import shutil
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.availability import missing
from tests.servers.clients import client
from tests.servers.process import ManagedProcess, free_ports, http_status

START_SECONDS = 120
_ACTIVE_SECONDS = 60
_INSTALLED = Path(__file__).parents[2] / ".cache" / "kinesalite" / "installed.json"
_START = Path(__file__).with_name("kinesalite_server.js")
_stream_numbers = itertools.count(1)


@dataclass(frozen=True)
class Kinesalite:
    """Address and credentials; every stream name from `stream` is new."""

    endpoint_url: str
    access_key: str = "snowmelt"
    secret_key: str = "secret"
    region: str = "us-east-1"
    process: ManagedProcess | None = field(default=None, repr=False, compare=False)

    def kinesis(self, **config: Any) -> Any:
        return client(
            "kinesis",
            endpoint_url=self.endpoint_url,
            access_key=self.access_key,
            secret_key=self.secret_key,
            region=self.region,
            **config,
        )

    def stream(self, name: str = "changes", *, shards: int = 1) -> "Stream":
        """Make a stream."""
        unique = f"{name}-{next(_stream_numbers)}"
        kinesis = self.kinesis()
        kinesis.create_stream(StreamName=unique, ShardCount=shards)
        return Stream(unique, _active(kinesis, unique)["StreamARN"], kinesis)

    def now(self) -> float:
        """The server's time, epoch seconds."""
        return self._control("")

    def advance(self, *, hours: float = 0.0, minutes: float = 0.0) -> None:
        """Let time pass for this test: iterators live 5 minutes, records 24 hours."""
        self._control(f"?advance_ms={(hours * 60 + minutes) * 60_000:.0f}")

    def gives_children(self, *, on: bool) -> None:
        """Whether GetRecords names the children at the end of a shard, as the service does."""
        self._control(f"?children={'yes' if on else 'no'}")

    def reset(self) -> None:
        """The time of day, no children."""
        self._control("?reset=yes")

    def _control(self, query: str) -> float:
        with urllib.request.urlopen(f"{self.endpoint_url}/test{query}", timeout=60) as answer:  # noqa: S310 - loopback
            return float(answer.read()) / 1000


@dataclass(frozen=True)
class Stream:
    """One stream. Each change of its shards returns when the stream is active again."""

    name: str
    arn: str
    kinesis: Any = field(repr=False, compare=False)

    def shards(self) -> list[dict[str, Any]]:
        """All of them as listed, closed ones included."""
        found: list[dict[str, Any]] = self.kinesis.list_shards(StreamName=self.name)["Shards"]
        return found

    def open_shards(self) -> list[str]:
        return [
            shard["ShardId"]
            for shard in self.shards()
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        ]

    def split(self, shard_id: str) -> tuple[str, str]:
        """Close a shard; its two children, of half of its hash keys each."""
        first, last = self._hash_keys(shard_id)
        middle = str((first + last + 1) // 2)
        self.kinesis.split_shard(
            StreamName=self.name, ShardToSplit=shard_id, NewStartingHashKey=middle
        )
        lower, upper = self._children(shard_id)
        return lower, upper

    def merge(self, shard_id: str, adjacent_id: str) -> str:
        """Close two neighbours; their child."""
        self.kinesis.merge_shards(
            StreamName=self.name, ShardToMerge=shard_id, AdjacentShardToMerge=adjacent_id
        )
        (child,) = self._children(shard_id)
        return child

    def make_anew(self, *, shards: int) -> None:
        """Delete it with all records, and make another of its name."""
        self.kinesis.delete_stream(StreamName=self.name)
        self.kinesis.get_waiter("stream_not_exists").wait(
            StreamName=self.name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 1_000}
        )
        self.kinesis.create_stream(StreamName=self.name, ShardCount=shards)
        _active(self.kinesis, self.name)

    def hash_key_of(self, shard_id: str) -> str:
        """An explicit hash key that leads into this shard."""
        return str(self._hash_keys(shard_id)[0])

    def put(self, data: bytes, *, partition_key: str = "p", shard_id: str | None = None) -> str:
        """Write one record; its sequence number."""
        where = {} if shard_id is None else {"ExplicitHashKey": self.hash_key_of(shard_id)}
        answer = self.kinesis.put_record(
            StreamName=self.name, Data=data, PartitionKey=partition_key, **where
        )
        return str(answer["SequenceNumber"])

    def read(self, shard_id: str) -> list[bytes]:
        """The data of a shard's records."""
        return [record["Data"] for record in self.records(shard_id)]

    def records(self, shard_id: str) -> list[dict[str, Any]]:
        """A shard's records, from its start to its end or its tip."""
        iterator = self.kinesis.get_shard_iterator(
            StreamName=self.name, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found: list[dict[str, Any]] = []
        while iterator is not None:
            page = self.kinesis.get_records(ShardIterator=iterator)
            found += page["Records"]
            if not page["Records"] and page["MillisBehindLatest"] == 0:
                break
            iterator = page.get("NextShardIterator")
        return found

    def _hash_keys(self, shard_id: str) -> tuple[int, int]:
        for shard in self.shards():
            if shard["ShardId"] == shard_id:
                keys = shard["HashKeyRange"]
                return int(keys["StartingHashKey"]), int(keys["EndingHashKey"])
        message = f"{self.name} has no shard {shard_id}"
        raise LookupError(message)

    def _children(self, parent_id: str) -> list[str]:
        _active(self.kinesis, self.name)
        return [
            shard["ShardId"]
            for shard in self.shards()
            if parent_id in (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
        ]


def _active(kinesis: Any, name: str) -> dict[str, Any]:
    end = time.monotonic() + _ACTIVE_SECONDS
    while time.monotonic() < end:
        answer = kinesis.describe_stream_summary(StreamName=name)
        summary: dict[str, Any] = answer["StreamDescriptionSummary"]
        if summary["StreamStatus"] == "ACTIVE":
            return summary
        time.sleep(0.005)
    message = f"{name} did not become active within {_ACTIVE_SECONDS} s"
    raise TimeoutError(message)


def start_kinesalite(home: Path) -> Kinesalite:
    """Start a server without streams, in memory."""
    node = shutil.which("node")
    if node is None:
        missing("Node is missing (Debian: apt-get install npm)")
    if not _INSTALLED.exists():
        missing("kinesalite is missing: run scripts/test-servers.sh (make test does)")
    (port,) = free_ports(1)
    server = Kinesalite(f"http://127.0.0.1:{port}")
    process = ManagedProcess(
        "kinesalite",
        [node, str(_START), str(port)],
        home=home,
        environment={
            "NODE_PATH": str(_INSTALLED.with_name("node_modules")),
            "AWS_REGION": server.region,
            "AWS_ACCOUNT_ID": "123456789012",
        },
    )
    process.wait_until(
        lambda: http_status(server.endpoint_url + "/test") == 200, seconds=START_SECONDS
    )
    return Kinesalite(server.endpoint_url, process=process)
