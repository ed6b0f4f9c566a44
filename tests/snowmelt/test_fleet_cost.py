"""What a fleet asks of the bucket, against sums done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from snapshotter.format import CatalogEntry
from snowmelt.fleet_cost import Fleet, fleet_bill, fleet_json, guessed_of, seen_in
from snowmelt.prices import GB, US_EAST_1

MIB = 2**20
# 5,000 nodes that look each minute, a snapshot of 2 GB each two minutes, one restore a month.
FLEET = Fleet(5_000, 2 * GB, 2 * MIB, publish_seconds=120.0, pointer_bytes=0)


def dollars_of(fleet: Fleet) -> dict[str, float]:
    return {line.what: line.dollars for line in fleet_bill(fleet).lines}


def test_requests_are_looks_and_what_each_new_snapshot_and_restore_takes() -> None:
    looks, follows, restores = (line.quantity for line in fleet_bill(FLEET).lines[:3])

    assert looks == 5_000 * 30 * 24 * 60
    assert follows == 5_000 * 30 * 24 * 30 * 4  # header, two maps, one part each two minutes
    assert restores == 5_000 * (5 + 256)  # 256 parts of 8 MiB
    assert fleet_bill(FLEET).dollars == pytest.approx((looks + follows + restores) * 0.4e-6)
    assert FLEET.requests_per_second == pytest.approx((looks + follows + restores) / 2_592_000)
    assert FLEET.busiest_requests_per_second == pytest.approx(5_000 * 5 / 60)


def test_bytes_are_free_through_a_gateway_endpoint_and_dear_through_a_nat_gateway() -> None:
    gigabytes = 5_000 * 2 + 5_000 * 21_600 * 2 / 1024

    assert FLEET.bytes_a_month == pytest.approx(gigabytes * GB)
    assert dollars_of(FLEET)["bytes through a gateway endpoint"] == 0
    nat = replace(FLEET, route="nat", cross_zone_share=0.5)
    assert dollars_of(nat)["bytes through a NAT gateway"] == pytest.approx(gigabytes * 0.045)
    assert dollars_of(nat)["bytes from another zone"] == pytest.approx(gigabytes / 2 * 0.02)
    private = replace(FLEET, route="interface")
    found = dollars_of(private)["bytes through an interface endpoint"]
    assert found == pytest.approx(gigabytes * 0.01)
    far = replace(FLEET, from_other_region=True)
    assert dollars_of(far)["bytes from another region"] == pytest.approx(gigabytes * 0.02)


def test_who_looks_rarely_passes_over_snapshots_but_fetches_all_that_changed() -> None:
    rare = replace(FLEET, poll_seconds=600.0)

    assert rare.follows == 5_000 * 30 * 24 * 6
    assert rare.gets_a_follow == 3 + 2  # 10 MiB in parts of 8
    assert rare.bytes_a_month == FLEET.bytes_a_month


def test_a_bucket_key_spares_nearly_all_calls_of_the_key_service_and_304_needs_none() -> None:
    without = replace(FLEET, kms=True, bucket_key=False)
    reads = FLEET.gets - 5_000 * 21_600  # of 43,200 looks a node half find a new pointer

    assert dollars_of(without)["decryption"] == pytest.approx(reads * 0.03 / 10_000)
    with_key = dollars_of(replace(without, bucket_key=True))["decryption"]
    assert with_key == pytest.approx(dollars_of(without)["decryption"] / 100)
    assert "decryption" not in dollars_of(FLEET)


def test_each_line_says_the_numbers_that_it_is_the_product_of() -> None:
    (looks, *_) = fleet_bill(FLEET).lines

    assert looks.formula == "5,000 nodes × 2,592,000 s ÷ 60 s"
    assert looks.text == (
        "looks at the pointer: 216,000,000 GET = 5,000 nodes × 2,592,000 s ÷ 60 s, $86.40"
    )
    document = fleet_json(FLEET, fleet_bill(FLEET))
    assert document["dollars_a_month"] == round(fleet_bill(FLEET).dollars, 2)
    assert (document["region"], document["prices_as_of"]) == ("us-east-1", US_EAST_1.as_of)
    assert document["requests_a_month"] == round(FLEET.gets)


def entry(snapshot_id: str, created_at: float, new_bytes: int, full_id: str) -> CatalogEntry:
    return CatalogEntry(
        snapshot_id=snapshot_id,
        manifest="manifest",
        header_length=1,
        header_digest="blake3:00",
        lineage_id="lineage",
        generation=1,
        version=1,
        created_at=created_at,
        watermark=None,
        resumable_until=None,
        engine="duckdb",
        storage_version="v1.5.0",
        row_count=1,
        file_bytes=10 * GB,
        stored_bytes=3 * GB,
        new_bytes=new_bytes,
        full_id=full_id,
    )


def test_sizes_and_rhythm_come_from_the_catalog_where_something_was_published() -> None:
    entries = [
        entry("d", 1_600.0, 5 * MIB, "a"),
        entry("c", 1_400.0, 3 * GB, "c"),
        entry("b", 1_200.0, 7 * MIB, "a"),
        entry("a", 1_000.0, 3 * GB, "a"),
    ]

    seen = seen_in(entries, FLEET)

    assert (seen.snapshot_bytes, seen.increment_bytes) == (3 * GB, 6 * MIB)
    assert seen.publish_seconds == 200.0
    bad = replace(entries[0], quarantined="wrong", stored_bytes=1)
    assert seen_in([bad, *entries[1:]], FLEET).snapshot_bytes == 3 * GB
    assert seen_in([], FLEET) == FLEET


def test_a_table_that_was_never_published_is_guessed_from_its_size() -> None:
    guessed = guessed_of(8 * GB, nodes=10)

    assert (guessed.nodes, guessed.snapshot_bytes) == (10, 4 * GB)
    assert guessed.increment_bytes == 4 * GB // 1000
    assert fleet_bill(guessed_of(0, nodes=10)).dollars > 0
