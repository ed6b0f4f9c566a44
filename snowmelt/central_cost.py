"""What one published dataset costs in a month, whoever follows it. Pure.

Objects stay for `full_every` until their set ends, for as long as older sets are kept, for the
grace of prune, and in a versioned bucket as noncurrent versions besides. Storage is told at its
largest, as if all sets were full-grown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from snapshotter.independence import FULL_EVERY_SECONDS
from snapshotter.lease import LEASE_SECONDS
from snapshotter.packs import PACK_BYTES
from snowmelt.bill import Bill, Line, amount
from snowmelt.cost import DISK_FACTOR, READ_UNIT_BYTES
from snowmelt.fleet_cost import BUCKET_KEY_SHARE, POINTER_BYTES
from snowmelt.prices import GB, MONTH_HOURS, MONTH_SECONDS, US_EAST_1, Prices

# tests/restorer/test_requests.py counts: pack, manifest, pointer; bucket's identity, pointer.
PUTS_OF_A_SNAPSHOT = 3
GETS_OF_A_SNAPSHOT = 2
LEASE_BYTES = 400
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Central:
    """A dataset and how it is published. Bytes of snapshots as they lie in the bucket.

    `file_bytes`: of the local file. `open_shards` are each read once in `poll_seconds` (an idle
    shard; one with changes is read up to five times a second). `keep_seconds`: of retention.
    `noncurrent_days`: how long versions that are not current stay; None: not versioned.
    `bootstraps`: of the whole table in a month.
    """

    table_bytes: int
    file_bytes: int
    snapshot_bytes: int
    increment_bytes: int
    publish_seconds: float = 600.0
    full_every_seconds: float = FULL_EVERY_SECONDS
    keep_seconds: float = 7 * DAY
    grace_seconds: float = DAY
    noncurrent_days: float | None = 7.0
    lease_seconds: float = LEASE_SECONDS
    standbys: int = 0
    open_shards: int = 4
    poll_seconds: float = 0.75
    bootstraps: float = 1.0
    kms: bool = False

    @property
    def snapshots(self) -> float:
        """Published in a month."""
        return MONTH_SECONDS / self.publish_seconds

    @property
    def retained_seconds(self) -> float:
        """The longest that an object stays current."""
        kept = max(self.keep_seconds, self.full_every_seconds)
        return self.full_every_seconds + kept + self.grace_seconds

    def stored_bytes(self, seconds: float) -> float:
        """What is written in so many seconds."""
        full = math.ceil(seconds / self.full_every_seconds) * self.snapshot_bytes
        return full + seconds / self.publish_seconds * self.increment_bytes


def central_bill(central: Central, prices: Prices = US_EAST_1) -> Bill:
    """Requests, storage, reading and a machine."""
    return Bill(
        (
            *_requests(central, prices),
            *_storage(central, prices),
            *_reading(central, prices),
            *_machine(central, prices),
        )
    )


def _requests(central: Central, prices: Prices) -> list[Line]:
    per_put, per_get = prices.s3_put_1k / 1000, prices.s3_get_1k / 1000
    fulls = MONTH_SECONDS / central.full_every_seconds
    packs = math.ceil(central.snapshot_bytes / PACK_BYTES)
    snapshots, month = amount(central.snapshots), amount(MONTH_SECONDS)
    lease = central.lease_seconds
    lines = [
        Line(
            "publishing",
            central.snapshots * PUTS_OF_A_SNAPSHOT + fulls * packs,
            "PUT",
            per_put,
            f"{snapshots} × {PUTS_OF_A_SNAPSHOT} + {amount(fulls)} × {packs} packs",
        ),
        Line(
            "reading before publishing",
            central.snapshots * GETS_OF_A_SNAPSHOT,
            "GET",
            per_get,
            f"{snapshots} × {GETS_OF_A_SNAPSHOT}",
        ),
        Line(
            "the lease", MONTH_SECONDS * 3 / lease, "PUT", per_put, f"{month} s × 3 ÷ {lease:g} s"
        ),
    ]
    if central.standbys:
        looks = MONTH_SECONDS * 6 / lease * central.standbys
        formula = f"{central.standbys} × {month} s × 6 ÷ {lease:g} s"
        lines.append(Line("standbys that look at it", looks, "GET", per_get, formula))
    if central.kms:
        calls = sum(line.quantity for line in lines) * BUCKET_KEY_SHARE
        per_call = prices.kms_requests_10k / 10_000
        formula = f"requests × {BUCKET_KEY_SHARE:g}, with a bucket key"
        lines.append(Line("a key of KMS", 1.0, "key", prices.kms_key, "1"))
        lines.append(Line("its calls", calls, "KMS request", per_call, formula))
    return lines


def _storage(central: Central, prices: Prices) -> list[Line]:
    days = central.retained_seconds / DAY
    lines = [
        Line(
            "snapshots in the bucket",
            central.stored_bytes(central.retained_seconds) / GB,
            "GB-month",
            prices.s3_gb,
            f"full snapshots and increments of {days:g} days",
        )
    ]
    if central.noncurrent_days is not None:
        seconds = central.noncurrent_days * DAY
        pointers = seconds / central.publish_seconds * POINTER_BYTES
        leases = seconds * 3 / central.lease_seconds * LEASE_BYTES
        lines.append(
            Line(
                "noncurrent versions",
                (central.stored_bytes(seconds) + pointers + leases) / GB,
                "GB-month",
                prices.s3_gb,
                f"what was deleted, and pointers and leases, of {central.noncurrent_days:g} days",
            )
        )
    return lines


def _reading(central: Central, prices: Prices) -> list[Line]:
    polls = central.open_shards * MONTH_SECONDS / central.poll_seconds
    units = central.bootstraps * central.table_bytes / READ_UNIT_BYTES
    month = amount(MONTH_SECONDS)
    shards = f"{central.open_shards} shards × {month} s ÷ {central.poll_seconds:g} s"
    return [
        Line(
            "reads of the stream",
            max(0.0, polls - prices.stream_reads_free),
            "GetRecords",
            prices.stream_reads_100k / 100_000,
            f"{shards} - {amount(prices.stream_reads_free)} free",
        ),
        Line(
            "bootstraps",
            units,
            "read unit",
            prices.read_units_million / 1e6,
            f"{central.bootstraps:g} × {central.table_bytes / GB:g} GB ÷ 4 KiB",
        ),
    ]


def _machine(central: Central, prices: Prices) -> list[Line]:
    disk = central.file_bytes * DISK_FACTOR / GB
    formula = f"{central.file_bytes / GB:g} GB × {DISK_FACTOR:g}"
    return [
        Line("a machine", MONTH_HOURS, "hour", prices.central_hour, f"{amount(MONTH_HOURS)} h"),
        Line("its volume", disk, "GB-month of SSD", prices.volume_gb, formula),
    ]
