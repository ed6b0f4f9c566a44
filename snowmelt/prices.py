"""Prices that estimates are made with: one region's, on one day, in one place. Pure.

They are list prices, without free tiers (but for the streams'), discounts and taxes. Another sheet
is a value of the same type; `docs/cost.md` shows this one with its sources.
"""

from __future__ import annotations

from dataclasses import dataclass

# AWS counts a gigabyte as 2^30 bytes; a month is taken as 30 days.
GB = 2**30
MONTH_SECONDS = 30 * 86_400.0
MONTH_HOURS = MONTH_SECONDS / 3600


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars. `as_of`: when they were looked up. What is counted in millions says so.

    `s3_put`, `s3_get`: a thousand requests (PUT also stands for COPY, POST and LIST). `nat_gb`,
    `interface_gb`: what a NAT gateway or an interface endpoint adds to a gigabyte; `cross_zone_gb`
    for both directions; `other_region_gb` out of S3. `volume_gb`: SSD for a month. `central_hour`:
    a small machine (2 vCPU, 8 GiB). `kms_requests`: ten thousand; `kms_key`: a month.
    """

    region: str
    as_of: str
    read_units_million: float
    stream_reads_100k: float
    stream_reads_free: float
    s3_put_1k: float
    s3_get_1k: float
    s3_gb: float
    nat_gb: float
    interface_gb: float
    cross_zone_gb: float
    other_region_gb: float
    kms_key: float
    kms_requests_10k: float
    volume_gb: float
    central_hour: float
    dax_node_hour: float


US_EAST_1 = Prices(
    region="us-east-1",
    as_of="2026-11",
    read_units_million=0.125,
    stream_reads_100k=0.02,
    stream_reads_free=2_500_000,
    s3_put_1k=0.005,
    s3_get_1k=0.0004,
    s3_gb=0.023,
    nat_gb=0.045,
    interface_gb=0.01,
    cross_zone_gb=0.02,
    other_region_gb=0.02,
    kms_key=1.0,
    kms_requests_10k=0.03,
    volume_gb=0.08,
    central_hour=0.0816,
    dax_node_hour=0.255,
)
