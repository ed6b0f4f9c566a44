"""The decode alone: parsed pages to exact rows, on one core, in CPU time.

Batches are as large as those of a capture that is behind. What other programs do on the machine
slows wall time more than CPU time, and a decoder that used two cores would win nothing. Images that
list their attributes in one order are decoded faster than others, so both are measured: as the
pages have them, and with an order of its own for each image.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.kit.child import measured
from benchmarks.workload import entries
from benchmarks.workload.pages import KEYS, SHARDS, shard_id
from cdc.batch import Batch
from cdc.decode import Decoder, ShardRecords
from cdc.rebuild import canonical_item, rebuild
from cdc.records import StreamRecord, parse_records

_BATCH_PAGES = 13  # of 1.2 MB, with 16 MiB a batch
_PASSES, _VARIED_PASSES = 5, 16


def run(params: dict[str, Any]) -> dict[str, Any]:
    """CPU microseconds a record, the median of the passes, and whether rows give back their items.

    The first pass is not counted: in it the decoder learns what there is to learn of the table.
    """
    bodies = [Path(file).read_bytes() for file in params["files"]]
    decoder = Decoder(KEYS)
    with measured() as span:
        passes = [_pass(decoder, bodies) for _ in range(_PASSES + 1)][1:]
    pages = _parsed(bodies[:_BATCH_PAGES])
    is_exact = _is_exact(pages, decoder.changes(pages, entries.COLUMNS))
    decoder.close()
    shuffled = _shuffled(pages)
    decoder = Decoder(KEYS)
    varied = [_timed(decoder, shuffled) for _ in range(_VARIED_PASSES + 1)][1:]
    is_exact &= _is_exact(shuffled, decoder.changes(shuffled, entries.COLUMNS))
    decoder.close()
    return {
        "parse_us": statistics.median(found.parse_us for found in passes),
        "decode_us": statistics.median(found.decode_us for found in passes),
        "varied_us": statistics.median(varied),
        "rows": passes[-1].rows,
        "records": passes[-1].records,
        "peak_rss_mib": span.peak_rss_mib,
        "is_exact": is_exact,
    }


@dataclass(slots=True)
class _Pass:
    records: int = 0
    rows: int = 0
    parse_us: float = 0.0
    decode_us: float = 0.0


def _pass(decoder: Decoder, bodies: Sequence[bytes]) -> _Pass:
    """All pages once, batch by batch, as a capture does it."""
    found = _Pass()
    parse = decode = 0.0
    for first in range(0, len(bodies), _BATCH_PAGES):
        began = time.process_time()
        pages = _parsed(bodies[first : first + _BATCH_PAGES])
        parsed = time.process_time()
        batch = decoder.changes(pages, entries.COLUMNS)
        parse += parsed - began
        decode += time.process_time() - parsed
        found.records += batch.records
        found.rows += batch.rows.num_rows
    found.parse_us, found.decode_us = parse * 1e6 / found.records, decode * 1e6 / found.records
    return found


def _timed(decoder: Decoder, pages: Sequence[ShardRecords]) -> float:
    """CPU microseconds a record of one batch."""
    began = time.process_time()
    batch = decoder.changes(pages, entries.COLUMNS)
    return (time.process_time() - began) * 1e6 / batch.records


def _shuffled(pages: Sequence[ShardRecords]) -> list[ShardRecords]:
    """The same records, the attributes of each image in an order of its own."""
    seeded = random.Random(0)
    return [
        ShardRecords(page.shard_id, [_in_any_order(record, seeded) for record in page.records])
        for page in pages
    ]


def _in_any_order(record: StreamRecord, seeded: random.Random) -> StreamRecord:
    if record.image is None:
        return record
    attributes = list(msgspec.json.decode(record.image, type=dict[str, msgspec.Raw]).items())
    seeded.shuffle(attributes)
    image = msgspec.Raw(msgspec.json.encode(dict(attributes)))
    return msgspec.structs.replace(record, image=image)


def _parsed(bodies: Sequence[bytes]) -> list[ShardRecords]:
    return [
        ShardRecords(shard_id(number % SHARDS), parse_records(body).records)
        for number, body in enumerate(bodies)
    ]


def _is_exact(pages: Sequence[ShardRecords], batch: Batch) -> bool:
    """True if the rows are the newest items of the records, each attribute as it was."""
    wanted = {}
    for page in pages:
        for record in page.records:
            identity = KEYS.identity(json.loads(bytes(record.keys)))
            wanted[identity] = _item(record)
    rows = zip(*batch.rows.to_pydict().values(), strict=True)
    found = {
        identity: None if is_dead else canonical_item(rebuild(batch.columns, cells, rest))
        for identity, is_dead, *cells, rest in rows
    }
    return found == wanted


def _item(record: StreamRecord) -> Any:
    return None if record.image is None else canonical_item(json.loads(bytes(record.image)))
