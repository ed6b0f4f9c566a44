"""GetRecords answers as the service sends them, made once and read by every side from disk.

Items are routing entries of a control plane: nine attributes, about 0.3 KB as typed JSON. Four
percent have a value that the column's type cannot hold (a number where text is usual, NULL), 4 % of
the records are deletions. Each shard has its own keys; the sides take the shards in turn.
"""

from __future__ import annotations

import json
import random
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workload.content import digest, plain
from cdc.keys import Item, KeyAttribute, KeySchema

KEYS = KeySchema(KeyAttribute("tenant", "S"), KeyAttribute("route", "S"))
KEY_NAMES = ("tenant", "route")
ATTRIBUTES = (*KEY_NAMES, "name", "state", "revision", "weight", "enabled", "config", "updated_at")
RECORDS_PER_PAGE = 1_000
SHARDS = 4
_FIRST_SEQUENCE = 100_000_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Pages:
    """Page files in the order of reading; `digests`: the content after so many pages."""

    files: tuple[str, ...]
    digests: dict[int, str]
    image_bytes: int
    page_bytes: int


def shard_id(shard: int) -> str:
    """A name as the service gives it."""
    return f"shardId-{1_790_000_000_000 + shard:020d}-{shard:08x}"


def last_sequence(pages: int, shard: int) -> str:
    """The sequence number of a shard's last record, "" if it has none."""
    last = max(range(shard, pages, SHARDS), default=None)
    return "" if last is None else _sequence(last, RECORDS_PER_PAGE - 1)


def write_pages(directory: Path, count: int, *, digests_at: tuple[int, ...]) -> Pages:
    """Make `count` pages in the directory, the same for the same count."""
    seeded = random.Random(count)
    population = max(10, count * RECORDS_PER_PAGE * 2 // (5 * SHARDS))
    tables: list[dict[int, Item]] = [{} for _ in range(SHARDS)]
    files, digests, image_bytes, page_bytes = [], {}, 0, 0
    for number in range(count):
        shard = number % SHARDS
        records = []
        for place in range(RECORDS_PER_PAGE):
            record = _record(seeded, tables[shard], shard, population, _sequence(number, place))
            image_bytes += len(_compact(record["dynamodb"].get("NewImage", {})))
            records.append(record)
        following = f"{shard}:{number + SHARDS}"
        body = _compact({"NextShardIterator": following, "Records": records}).encode()
        page_bytes += len(body)
        file = directory / f"page-{number:05d}.json"
        file.write_bytes(body)
        files.append(str(file))
        if number + 1 in digests_at:
            items = (plain(item) for table in tables for item in table.values())
            digests[number + 1] = digest(items)
    total = count * RECORDS_PER_PAGE
    return Pages(tuple(files), digests, image_bytes // total, page_bytes // count)


def checksum(body: bytes) -> str:
    """The header x-amz-crc32 of an answer."""
    return str(zlib.crc32(body))


def _sequence(page: int, place: int) -> str:
    return str(_FIRST_SEQUENCE + page * RECORDS_PER_PAGE + place)


def _record(
    seeded: random.Random, table: dict[int, Item], shard: int, population: int, sequence: str
) -> dict[str, Any]:
    index = seeded.randrange(population)
    old = table.get(index)
    change: dict[str, Any] = {"ApproximateCreationDateTime": time.time() // 1}
    if old is not None and seeded.random() < 0.06:
        del table[index]
        name, keys = "REMOVE", {each: old[each] for each in KEY_NAMES}
    else:
        new = table[index] = _item(seeded, shard, index, old)
        name, keys = "INSERT" if old is None else "MODIFY", {each: new[each] for each in KEY_NAMES}
        change["NewImage"] = new
    if old is not None:
        change["OldImage"] = old
    change |= {"Keys": keys, "SequenceNumber": sequence, "SizeBytes": 420}
    return {
        "awsRegion": "us-east-1",
        "dynamodb": {**change, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "eventID": f"{seeded.getrandbits(128):032x}",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "eventVersion": "1.1",
    }


def _item(seeded: random.Random, shard: int, index: int, old: Item | None) -> Item:
    revision = int(old["revision"]["N"]) + 1 if old else 1
    item: Item = {
        "tenant": {"S": f"tenant#{index % 500:04d}"},
        "route": {"S": f"route#{shard}-{index:07d}"},
        "name": {"S": f"pipeline-{index:07d}-eu-west"},
        "state": {"S": seeded.choice(("active", "paused", "draining", "failed"))},
        "revision": {"N": str(revision)},
        "weight": {"N": f"{seeded.randrange(100)}.{seeded.randrange(1, 100) * 10 + 1:03d}"},
        "enabled": {"BOOL": seeded.random() < 0.9},
        "config": {
            "M": {
                "host": {"S": f"node-{seeded.getrandbits(48):012x}.internal"},
                "port": {"N": str(8000 + seeded.randrange(999))},
                "tls": {"BOOL": True},
                "etag": {"S": f"{seeded.getrandbits(128):032x}"},
            }
        },
        "updated_at": {"N": str(1_790_000_000_000 + seeded.getrandbits(32))},
    }
    misfit = seeded.random()
    if misfit < 0.02:
        item["name"] = {"N": str(index)}
    elif misfit < 0.04:
        item["state"] = {"NULL": True}
    return item


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
