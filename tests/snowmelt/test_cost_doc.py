"""The page about cost: its tables are computed, its sums are right by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from snowmelt.bill import Bill
from snowmelt.central_cost import Central, central_bill
from snowmelt.dax_cost import Reads, dax_bill, disks_of_fleet
from snowmelt.prices import GB, US_EAST_1
from tests.snowmelt.cost_doc import CENTRAL, PAGE, tables, with_tables

MIB = 2**20
DAY = 86_400.0


def quantities(bill: Bill) -> dict[str, float]:
    return {line.what: line.quantity for line in bill.lines}


def test_every_table_of_the_page_is_what_the_modules_compute() -> None:
    page = PAGE.read_text()

    assert with_tables(page) == page, "run `python -m tests.snowmelt.cost_doc`"
    assert len(tables()) == page.count("<!-- end -->")


def test_requests_of_a_dataset_are_those_of_its_snapshots_and_its_lease() -> None:
    small = Central(GB, GB, 640 * MIB, MIB, publish_seconds=120.0, standbys=2)

    found = quantities(central_bill(small))

    assert found["publishing"] == 21_600 * 3 + 30 / 7 * 10
    assert found["reading before publishing"] == 21_600 * 2
    assert found["the lease"] == 30 * 86_400 / 10
    assert found["standbys that look at it"] == 2 * 30 * 86_400 / 5
    assert quantities(central_bill(replace(small, lease_seconds=120.0)))["the lease"] == 64_800


def test_storage_is_what_is_kept_and_versions_besides() -> None:
    found = quantities(central_bill(CENTRAL))
    # 15 days: three full ones of 2 GB, an increment of 2 MiB each ten minutes.
    assert found["snapshots in the bucket"] == pytest.approx(6 + 15 * 144 * 2 / 1024)
    pointers, leases = 7 * 144 * 300 / 1024**2, 7 * DAY / 10 * 400 / GB
    versions = 2 + 7 * 144 * 2 / 1024 + pointers + leases
    assert found["noncurrent versions"] == pytest.approx(versions)
    plain = central_bill(replace(CENTRAL, noncurrent_days=None))
    assert "noncurrent versions" not in quantities(plain)


def test_reading_is_polls_beyond_the_free_ones_and_read_units() -> None:
    found = quantities(central_bill(CENTRAL))
    few = quantities(central_bill(replace(CENTRAL, open_shards=0)))

    assert found["reads of the stream"] == pytest.approx(4 * 30 * 86_400 / 0.75 - 2_500_000)
    assert few["reads of the stream"] == 0
    assert found["bootstraps"] == 4 * GB / 4096


def test_a_key_costs_its_month_and_a_hundredth_of_the_requests() -> None:
    with_key = quantities(central_bill(replace(CENTRAL, kms=True)))
    requests = sum(with_key[what] for what in ("publishing", "reading before publishing"))

    assert with_key["a key of KMS"] == 1
    assert with_key["its calls"] == pytest.approx((requests + with_key["the lease"]) / 100)
    assert "a key of KMS" not in quantities(central_bill(CENTRAL))


def test_dax_is_three_nodes_at_least_and_more_by_work() -> None:
    few, many = Reads(100, 200.0), Reads(5_000, 200.0)

    assert few.of_cluster == pytest.approx(4_000)
    assert few.of_table == pytest.approx(400)
    assert few.cluster_nodes == 3
    assert many.cluster_nodes == 6  # 180,000 hits and 20,000 misses of ten times the work
    found = quantities(dax_bill(few))
    assert found["nodes of the cluster"] == 3 * 720
    assert found["misses, read from the table"] == pytest.approx(400 * 2_592_000 / 2)
    assert found["bytes between zones"] == pytest.approx(4_000 * 2_592_000 * 1024 * 2 / 3 / GB)
    large = dax_bill(replace(few, item_bytes=5_000))
    assert quantities(large)["misses, read from the table"] == pytest.approx(400 * 2_592_000)


def test_volumes_hold_the_table_twice_on_each_node() -> None:
    line = disks_of_fleet(100, 4 * GB)

    assert line.quantity == 800
    assert line.dollars == pytest.approx(800 * US_EAST_1.volume_gb)
