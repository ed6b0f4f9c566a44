"""What a fleet of nodes that follow snapshots asks of the bucket, and what that costs. Pure.

    fleet = Fleet(nodes=5_000, snapshot_bytes=2 * GB, increment_bytes=MB)
    bill = fleet_bill(fleet, US_EAST_1)       # lines with formula, requests, bytes, dollars a month
    fleet.requests_per_second                 # the mean, and what one hot moment may ask at most

Each node looks at the pointer once an interval; an unchanged one is answered with 304, which is
billed like a GET and has no body. A new one is fetched whole, then the header, the new segments of
the map and the new blocks. Waits have jitter around the interval, so the mean is the interval and
a fleet that was started at once is spread after a few looks; the jitter changes no sum.

Bytes inside one region are free through a gateway endpoint. Through a NAT gateway or an interface
endpoint each is paid for, and once more where it lies in another zone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

from snapshotter.format import CatalogEntry
from snowmelt.bill import Bill, Line, amount
from snowmelt.prices import GB, MONTH_SECONDS, US_EAST_1, Prices

Route = Literal["gateway", "interface", "nat"]

# A restore reads the bucket's identity, the pointer, the header, and the maps of the main file and
# of its log; a node that follows has the first two already. tests/restorer/test_requests.py counts.
RESTORE_SMALL_REQUESTS = 5
FOLLOW_SMALL_REQUESTS = 3
PART_BYTES = 8 * 1024 * 1024
# A pointer of a full catalog: 500 snapshots of some 600 bytes.
POINTER_BYTES = 300 * 1024
# Requests of one prefix that the service grants at once, before it answers 503 and scales.
PREFIX_GETS_PER_SECOND = 5_500
# One of a hundred reads asks the key service where the bucket has a key of its own.
BUCKET_KEY_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Fleet:
    """Nodes, and what each fetches. Bytes are compressed, as they lie in the bucket.

    `snapshot_bytes`: what a whole restore fetches. `increment_bytes`: what a snapshot adds to the
    one before. `restores_a_month`: whole ones of each node, without a seed. `poll_seconds`: mean
    wait between looks at the pointer. `cross_zone_share`: of the bytes, those whose NAT or
    endpoint lies in another zone. `kms`: objects are encrypted with a key of the key service.
    """

    nodes: int
    snapshot_bytes: int
    increment_bytes: int
    poll_seconds: float = 60.0
    publish_seconds: float = 600.0
    restores_a_month: float = 1.0
    part_bytes: int = PART_BYTES
    pointer_bytes: int = POINTER_BYTES
    route: Route = "gateway"
    cross_zone_share: float = 0.0
    from_other_region: bool = False
    kms: bool = False
    bucket_key: bool = True

    @property
    def polls(self) -> float:
        """Looks at the pointer in a month."""
        return self.nodes * MONTH_SECONDS / self.poll_seconds

    @property
    def follows(self) -> float:
        """New snapshots that are fetched in a month; who looks rarely passes over some."""
        return self.nodes * MONTH_SECONDS / max(self.poll_seconds, self.publish_seconds)

    @property
    def restores(self) -> float:
        """Whole restores in a month."""
        return self.nodes * self.restores_a_month

    @property
    def gets_a_follow(self) -> int:
        """Requests for a new snapshot, besides the look."""
        behind = max(1.0, self.poll_seconds / self.publish_seconds)
        return FOLLOW_SMALL_REQUESTS + parts(self.increment_bytes * behind, self.part_bytes)

    @property
    def gets_a_restore(self) -> int:
        """Requests of a whole restore."""
        return RESTORE_SMALL_REQUESTS + parts(self.snapshot_bytes, self.part_bytes)

    @property
    def bytes_a_month(self) -> float:
        """Bodies that are sent: pointers that changed, new blocks, whole snapshots.

        At most: a block that two snapshots changed is fetched once by who passes over the first.
        """
        increments = self.nodes * MONTH_SECONDS / self.publish_seconds * self.increment_bytes
        pointers = (self.follows + self.restores) * self.pointer_bytes
        return increments + pointers + self.restores * self.snapshot_bytes

    @property
    def gets(self) -> float:
        """All requests in a month."""
        return self.polls + self.follows * self.gets_a_follow + self.restores * self.gets_a_restore

    @property
    def requests_per_second(self) -> float:
        """The mean."""
        return self.gets / MONTH_SECONDS

    @property
    def busiest_requests_per_second(self) -> float:
        """While a new snapshot spreads, which takes an interval: each node looks and fetches."""
        return self.nodes * (1 + self.gets_a_follow) / self.poll_seconds


def parts(size: float, part_bytes: int) -> int:
    """Requests for so many bytes."""
    return math.ceil(size / part_bytes)


def fleet_bill(fleet: Fleet, prices: Prices = US_EAST_1) -> Bill:
    """Requests, bytes and dollars of a month."""
    per_get = prices.s3_get_1k / 1000
    nodes, month = amount(fleet.nodes), amount(MONTH_SECONDS)
    lines = [
        Line(
            "looks at the pointer",
            fleet.polls,
            "GET",
            per_get,
            f"{nodes} nodes × {month} s ÷ {fleet.poll_seconds:g} s",
        ),
        Line(
            "new snapshots",
            fleet.follows * fleet.gets_a_follow,
            "GET",
            per_get,
            f"{nodes} nodes × {month} s ÷ {max(fleet.poll_seconds, fleet.publish_seconds):g} s"
            f" × {fleet.gets_a_follow} requests",
        ),
        Line(
            "whole restores",
            fleet.restores * fleet.gets_a_restore,
            "GET",
            per_get,
            f"{nodes} nodes × {fleet.restores_a_month:g} × {fleet.gets_a_restore} requests",
        ),
        *_transfer(fleet, prices),
    ]
    if fleet.kms:
        lines.append(_decrypts(fleet, prices))
    return Bill(tuple(lines))


def _transfer(fleet: Fleet, prices: Prices) -> Iterable[Line]:
    size = fleet.bytes_a_month / GB
    per_gb = {"gateway": 0.0, "interface": prices.interface_gb, "nat": prices.nat_gb}[fleet.route]
    by = {
        "gateway": "a gateway endpoint",
        "interface": "an interface endpoint",
        "nat": "a NAT gateway",
    }[fleet.route]
    formula = (
        f"{amount(fleet.restores)} × {_gb(fleet.snapshot_bytes)} GB + {amount(fleet.nodes)} × "
        f"{amount(MONTH_SECONDS / fleet.publish_seconds)} × {_gb(fleet.increment_bytes)} GB"
        " + pointers"
    )
    yield Line(f"bytes through {by}", size, "GB", per_gb, formula)
    if fleet.cross_zone_share and fleet.route != "gateway":
        share = fleet.cross_zone_share
        yield Line(
            "bytes from another zone",
            size * share,
            "GB across zones",
            prices.cross_zone_gb,
            f"{amount(size)} GB × {share:g}",
        )
    if fleet.from_other_region:
        name = "bytes from another region"
        yield Line(name, size, "GB across regions", prices.other_region_gb, f"{amount(size)} GB")


def _decrypts(fleet: Fleet, prices: Prices) -> Line:
    share = BUCKET_KEY_SHARE if fleet.bucket_key else 1.0
    unchanged = max(0.0, fleet.polls - fleet.follows)  # answered with 304, nothing is decrypted
    reads = fleet.gets - unchanged
    how = "with a bucket key" if fleet.bucket_key else "without a bucket key"
    per_request = prices.kms_requests_10k / 10_000
    formula = f"{amount(reads)} GET with a body × {share:g}, {how}"
    return Line("decryption", reads * share, "KMS request", per_request, formula)


def _gb(size: float) -> str:
    return f"{size / GB:.4g}"


def seen_in(entries: Iterable[CatalogEntry], fleet: Fleet) -> Fleet:
    """The fleet with sizes and rhythm of these snapshots, newest first; as it is without any.

    The median of what snapshots add, full ones apart; the mean time between them.
    """
    known = [entry for entry in entries if entry.quarantined is None]
    if not known:
        return fleet
    fleet = replace(fleet, snapshot_bytes=known[0].stored_bytes)
    added = [entry.new_bytes for entry in known if entry.full_id != entry.snapshot_id]
    if added:
        fleet = replace(fleet, increment_bytes=int(median(added)))
    span = known[0].created_at - known[-1].created_at
    if len(known) > 1 and span > 0:
        fleet = replace(fleet, publish_seconds=span / (len(known) - 1))
    return fleet


def guessed_of(table_bytes: int, *, nodes: int, poll_seconds: float = 60.0) -> Fleet:
    """A fleet of a table that was never published: half its size compressed, 1/1000 a snapshot."""
    stored = table_bytes // 2
    return Fleet(nodes, stored, max(1, stored // 1000), poll_seconds=poll_seconds)


def fleet_json(fleet: Fleet, bill: Bill, prices: Prices = US_EAST_1) -> dict[str, Any]:
    """What `--json` prints of it."""
    return {
        "nodes": fleet.nodes,
        "requests_a_month": round(fleet.gets),
        "bytes_a_month": round(fleet.bytes_a_month),
        "requests_per_second": round(fleet.requests_per_second, 1),
        "busiest_requests_per_second": round(fleet.busiest_requests_per_second, 1),
        "region": prices.region,
        "prices_as_of": prices.as_of,
        **bill.to_json(),
    }
