"""The soak's stream over HTTP, in a process of its own: bodies from a template, raw asyncio.

    python -m tests.soak.server LANES RATE ROLLOVER_SECONDS FAILS_EACH

prints its port and when it began, and ends with its input. Each twentieth call, say, fails:
refused, broken off or an error of the service, in turn; and the rates of the service are kept, more
than five reads of a shard a second or ten listings are refused. With 0 nothing is ever refused.
`X-Soak: stop` freezes the stream's time; `X-Soak: report` tells what was asked for, and how often.
"""

import asyncio
import contextlib
import json
import sys
import threading
import time
import zlib
from collections import Counter, deque
from email.utils import formatdate
from typing import Any

from tests.soak.plan import ARN, FIRST_SEQUENCE, STREAM_ARN, TABLE, Plan, key_of

PAGE_RECORDS = 1_000
PAGE_SHARDS = 100
SHARD_CALLS, LISTING_CALLS = 5, 10
_RECORD = (
    '{{"eventName":"MODIFY","dynamodb":{{"ApproximateCreationDateTime":{created},'
    '"Keys":{{"id":{{"S":"{key}"}}}},"NewImage":{{"id":{{"S":"{key}"}},"n":{{"N":"{number}"}},'
    f'"padding":{{{{"S":"{"x" * 240}"}}}}}}}},"SequenceNumber":"{{sequence}}"}}}}}}}}'
)
_TABLE = {
    "TableName": TABLE,
    "TableId": "soak",
    "TableArn": ARN,
    "CreationDateTime": 1_700_000_000.0,
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    "LatestStreamArn": STREAM_ARN,
    "ItemCount": 0,
}


class Refused(Exception):
    """Code of a refusal; "" breaks the connection."""


class Stream:
    """Answers calls, and counts."""

    def __init__(self, plan: Plan, fails_each: int) -> None:
        self.plan = plan
        self.fails_each = fails_each
        self.stopped_at: float | None = None
        self.counts: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = {}
        self._reads = 0

    @property
    def now(self) -> float:
        return self.stopped_at or time.time()

    def answer(self, action: str, asked: dict[str, Any]) -> bytes:
        self.counts[action] += 1
        self._reads += 1
        if self.fails_each and self._reads % self.fails_each == 0:
            self.counts["faults"] += 1
            codes = ("LimitExceededException", "InternalServerError", "")
            raise Refused(codes[self._reads // self.fails_each % len(codes)])
        match action:
            case "GetRecords":
                return self._records(asked["ShardIterator"])
            case "GetShardIterator":
                sequence = asked.get("SequenceNumber")
                index = 0 if sequence is None else int(sequence) - FIRST_SEQUENCE
                index += asked["ShardIteratorType"].startswith("AFTER")
                return _json({"ShardIterator": f"{asked['ShardId']}|{index}"})
            case "DescribeStream":
                return _json({"StreamDescription": self._described(asked)})
            case "DescribeTable":
                return _json({"Table": _TABLE})
            case _:
                return _json({"Items": [], "Count": 0, "ScannedCount": 0})

    def _records(self, iterator: str) -> bytes:
        shard_id, _, place = iterator.rpartition("|")
        self._limit(shard_id, SHARD_CALLS)
        plan, now, first = self.plan, self.now, int(place)
        lane, generation = plan.lane_of(shard_id), plan.generation_of(shard_id)
        written = plan.records_at(generation, now)
        last = min(written, first + PAGE_RECORDS)
        start = plan.start_of(generation)
        texts = [
            _RECORD.format(
                created=int(start + (index + 1) / plan.rate),
                key=key_of(lane, number),
                number=number,
                sequence=FIRST_SEQUENCE + index,
            )
            for index in range(first, last)
            for number in (plan.number_of(generation, index),)
        ]
        self.counts["records"] += last - first
        is_over = plan.is_closed(generation, now) and last == plan.records_of_closed
        end = "" if is_over else f',"NextShardIterator":"{shard_id}|{last}"'
        return f'{{"Records":[{",".join(texts)}]{end}}}'.encode()

    def _described(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._limit("listing", LISTING_CALLS)
        plan, now = self.plan, self.now
        parent = (asked.get("ShardFilter") or {}).get("ShardId", "")
        behind = asked.get("ExclusiveStartShardId", "")
        generations = range(plan.generation_at(now) + 1)
        if parent:
            generations = range(plan.generation_of(parent) + 1, plan.generation_of(parent) + 2)
        shards = [
            self._shard(lane, generation, now)
            for generation in generations
            if generation <= plan.generation_at(now)
            for lane in range(plan.lanes)
            if plan.shard_id(lane, generation) > behind
            and (not parent or lane == plan.lane_of(parent))
        ]
        described = {
            "StreamArn": STREAM_ARN,
            "StreamStatus": "ENABLED",
            "Shards": shards[:PAGE_SHARDS],
        }
        if len(shards) > PAGE_SHARDS:
            described["LastEvaluatedShardId"] = shards[PAGE_SHARDS - 1]["ShardId"]
        return described

    def _shard(self, lane: int, generation: int, now: float) -> dict[str, Any]:
        ends = {"StartingSequenceNumber": str(FIRST_SEQUENCE)}
        if self.plan.is_closed(generation, now):
            ends["EndingSequenceNumber"] = str(FIRST_SEQUENCE + self.plan.records_of_closed)
        shard = {"ShardId": self.plan.shard_id(lane, generation), "SequenceNumberRange": ends}
        if generation:
            shard["ParentShardId"] = self.plan.shard_id(lane, generation - 1)
        return shard

    def _limit(self, what: str, calls_per_second: int) -> None:
        recent, now = self._recent.setdefault(what, deque()), time.monotonic()
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        name = "listings_in_a_second" if what == "listing" else "reads_of_a_shard_in_a_second"
        self.counts[name] = max(self.counts[name], len(recent) + 1)
        if self.fails_each and len(recent) >= calls_per_second:
            self.counts["throttled"] += 1
            raise Refused("LimitExceededException")
        recent.append(now)


class Connection(asyncio.Protocol):
    """Reads requests that are small, and writes answers."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            lines = (line.partition(": ") for line in self._read[:end].decode().split("\r\n"))
            headers = {name.lower(): value for name, _, value in lines}
            length = int(headers.get("content-length", 0))
            if len(self._read) < end + 4 + length:
                return
            body = self._read[end + 4 : end + 4 + length]
            self._read = self._read[end + 4 + length :]
            self._answer(headers, body)

    def _answer(self, headers: dict[str, str], body: bytes) -> None:
        stream = self._stream
        if "x-soak" in headers:
            if headers["x-soak"] == "stop":
                stream.stopped_at = time.time()
            self._send(200, _json({**stream.counts, "stopped_at": stream.stopped_at}))
            return
        try:
            action = headers["x-amz-target"].rpartition(".")[2]
            self._send(200, stream.answer(action, json.loads(body)))
        except Refused as refused:
            code = str(refused)
            if not code:
                self._transport.abort()
                return
            status = 500 if code == "InternalServerError" else 400
            self._send(status, _json({"__type": f"x#{code}", "message": "soak"}))

    def _send(self, status: int, body: bytes) -> None:
        head = (
            f"HTTP/1.1 {status} Soak\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"Content-Length: {len(body)}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n"
            f"Date: {formatdate(usegmt=True)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


async def _serve(plan: Plan, fails_each: int) -> None:
    loop = asyncio.get_running_loop()
    stream, ended = Stream(plan, fails_each), asyncio.Event()
    server = await loop.create_server(lambda: Connection(stream), "127.0.0.1", 0)
    sys.stdout.write(json.dumps([server.sockets[0].getsockname()[1], plan.began_at]) + "\n")
    sys.stdout.flush()

    def wait_for_end() -> None:
        sys.stdin.read()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await ended.wait()
    server.close()


if __name__ == "__main__":
    _lanes, _rate, _rollover, _fails = sys.argv[1:]
    _plan = Plan(round(time.time(), 3), int(_lanes), float(_rate), float(_rollover))
    asyncio.run(_serve(_plan, int(_fails)))
