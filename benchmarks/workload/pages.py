"""GetRecords answers as the service sends them, made once and read by every side over HTTP.

Each shard has its own items and pages belong to the shards in turn, so a reader that takes the
pages in order has each item's changes in order.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workload import entries

KEYS = entries.KEYS
KEY_NAMES = entries.KEY_NAMES
ATTRIBUTES = entries.ATTRIBUTES
RECORDS_PER_PAGE = 1_000
SHARDS = 8
_FIRST_SEQUENCE = 100_000_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Pages:
    """Page files in the order of reading; `contents`: digest and misfits after so many pages."""

    files: tuple[str, ...]
    contents: dict[int, tuple[str, int]]
    record_bytes: int


def shard_id(shard: int) -> str:
    """A name as the service gives it."""
    return f"shardId-{1_790_000_000_000 + shard:020d}-{shard:08x}"


def last_sequence(pages: int, shard: int) -> str:
    """The sequence number of a shard's last record, "" if it has none."""
    last = max(range(shard, pages, SHARDS), default=None)
    return "" if last is None else str(_FIRST_SEQUENCE + (last + 1) * RECORDS_PER_PAGE - 1)


def next_page(shard: int, sequence: str) -> int:
    """The number of a shard's first page behind the one that ends with this record."""
    came = max(0, (int(sequence) - _FIRST_SEQUENCE + 1) // RECORDS_PER_PAGE)
    return came + (shard - came) % SHARDS


def write_pages(directory: Path, rows: int, count: int, *, contents_at: tuple[int, ...]) -> Pages:
    """Make `count` pages of changes of a table of `rows` items, the same for the same numbers."""
    changed = entries.changes(
        rows, count * RECORDS_PER_PAGE, page_records=RECORDS_PER_PAGE, shards=SHARDS
    )
    files, size = [], 0
    with entries.connect() as connection:
        contents = entries.digests(connection, rows, changed, contents_at)
        now = int(time.time())
        for page, texts in entries.records(connection, changed, now=now, sequence=_FIRST_SEQUENCE):
            file = directory / f"page-{page:05d}.json"
            following = f"{page % SHARDS}:{page + SHARDS}"
            records = ",".join(texts)
            body = f'{{"NextShardIterator":"{following}","Records":[{records}]}}'.encode()
            size += len(body)
            file.write_bytes(body)
            files.append(str(file))
    return Pages(tuple(files), contents, size // (count * RECORDS_PER_PAGE))


def checksum(body: bytes) -> str:
    """The header x-amz-crc32 of an answer."""
    return str(zlib.crc32(body))
