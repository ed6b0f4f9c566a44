"""The tables of `docs/cost.md` as the modules that estimate costs compute them.

`python -m tests.snowmelt.cost_doc` writes them into the page.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

from snowmelt.bill import Bill, Line, amount, dollars
from snowmelt.central_cost import Central, central_bill
from snowmelt.cost import READ_UNIT_BYTES, SCAN_ROWS_PER_SECOND
from snowmelt.dax_cost import Reads, dax_bill, disks_of_fleet
from snowmelt.durations import format_duration
from snowmelt.fleet_cost import Fleet, Route, fleet_bill
from snowmelt.prices import GB, US_EAST_1

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"
MIB = 2**20
# The table of the page's examples: 4 million items of 1 KiB, a thousandth of it new each snapshot.
TABLE_BYTES = 4 * GB
SNAPSHOT_BYTES = TABLE_BYTES // 2
INCREMENT_BYTES = SNAPSHOT_BYTES // 1024
CENTRAL = Central(TABLE_BYTES, TABLE_BYTES, SNAPSHOT_BYTES, INCREMENT_BYTES)
FLEETS = (100, 5_000)
READS = (1.0, 20.0, 200.0)
ROUTES: tuple[Route, ...] = ("gateway", "interface", "nat")

_PRICES = {
    "read_units_million": "a million read units on demand",
    "stream_reads_100k": "100,000 reads of a stream",
    "stream_reads_free": "free reads of streams, a month and region",
    "s3_put_1k": "1,000 PUT, COPY, POST or LIST of S3",
    "s3_get_1k": "1,000 GET or HEAD of S3, answers without a body among them",
    "s3_gb": "a GB of S3 Standard for a month",
    "nat_gb": "a GB through a NAT gateway",
    "interface_gb": "a GB through an interface endpoint",
    "cross_zone_gb": "a GB between zones, both directions",
    "other_region_gb": "a GB of S3 to another region",
    "kms_key": "a key of KMS for a month",
    "kms_requests_10k": "10,000 calls of KMS",
    "volume_gb": "a GB of gp3 for a month",
    "central_hour": "an hour of m7g.large (2 vCPU, 8 GiB)",
    "dax_node_hour": "an hour of dax.r5.large",
}


def tables() -> dict[str, list[str]]:
    """Each table by the name in the page's markers."""
    return {
        "prices": _of_prices(),
        "central": _of_bill(central_bill(CENTRAL)),
        "fleet": _of_fleets(),
        "poll": _of_intervals(),
        "routes": _of_routes(),
        "bootstrap": _of_bootstraps(),
        "dax": _of_comparison(),
    }


def fleet_of(nodes: int) -> Fleet:
    """The fleet of the page's examples."""
    return Fleet(nodes, SNAPSHOT_BYTES, INCREMENT_BYTES)


def _of_prices() -> list[str]:
    named = {one.name for one in fields(US_EAST_1)} - {"region", "as_of"}
    assert named == _PRICES.keys()
    rows = []
    for name, what in _PRICES.items():
        value = getattr(US_EAST_1, name)
        rows.append(f"| {what} | {amount(value) if name.endswith('_free') else f'${value:g}'} |")
    return [f"| {US_EAST_1.region}, {US_EAST_1.as_of} | |", "|---|---|", *rows]


def _of_bill(bill: Bill) -> list[str]:
    rows = [_row(line) for line in bill.lines]
    head = ["| a month | quantity | from | |", "|---|---|---|---|"]
    return [*head, *rows, f"| **together** | | | **{dollars(bill.dollars)}** |"]


def _row(line: Line) -> str:
    quantity = f"{amount(line.quantity)} {line.unit}"
    return f"| {line.what} | {quantity} | {line.formula} | {dollars(line.dollars)} |"


def _of_fleets() -> list[str]:
    rows = []
    for nodes in FLEETS:
        rows += [_row(line) for line in fleet_bill(fleet_of(nodes)).lines]
        rows.append(_row(disks_of_fleet(nodes, TABLE_BYTES)))
    return ["| a month | quantity | from | |", "|---|---|---|---|", *rows]


def _of_intervals() -> list[str]:
    rows = []
    for seconds in (5.0, 60.0, 300.0):
        fleet = replace(fleet_of(5_000), poll_seconds=seconds)
        looks = fleet_bill(fleet).lines[0]
        busiest = amount(fleet.busiest_requests_per_second)
        rows.append(
            f"| {seconds:g} s | {amount(looks.quantity)} | {dollars(looks.dollars)} | {busiest} |"
        )
    return [
        "| 5,000 nodes look each | GET a month | | requests a second while a snapshot spreads |",
        "|---|---|---|---|",
        *rows,
    ]


def _of_routes() -> list[str]:
    rows = []
    for nodes in FLEETS:
        bills = [fleet_bill(replace(fleet_of(nodes), route=route)).dollars for route in ROUTES]
        size = amount(fleet_of(nodes).bytes_a_month / GB)
        told = " | ".join(dollars(value) for value in bills)
        rows.append(f"| {amount(nodes)} | {size} GB | {told} |")
    return [
        "| nodes | bytes a month | gateway endpoint | interface endpoint | NAT gateway |",
        "|---|---|---|---|---|",
        *rows,
    ]


def _of_bootstraps() -> list[str]:
    rows = []
    for size, items in ((1, 1_000_000), (4, 4_000_000), (100, 100_000_000)):
        units = size * GB / READ_UNIT_BYTES
        cost = units / 1e6 * US_EAST_1.read_units_million
        seconds = format_duration(items / SCAN_ROWS_PER_SECOND)
        rows.append(
            f"| {size} GB, {amount(items)} items | {amount(units)} | {dollars(cost)} | {seconds} |"
        )
    return ["| table | read units | on demand | at best |", "|---|---|---|---|", *rows]


def _of_comparison() -> list[str]:
    rows = []
    for nodes in FLEETS:
        fleet = fleet_bill(fleet_of(nodes)).dollars + central_bill(CENTRAL).dollars
        disks = disks_of_fleet(nodes, TABLE_BYTES).dollars
        for reads in READS:
            asked = Reads(nodes, reads)
            bill = dax_bill(asked)
            parts = " + ".join(dollars(line.dollars) for line in bill.lines)
            rows.append(
                f"| {amount(nodes)} | {reads:g} | {dollars(fleet + disks)} "
                f"(volumes {dollars(disks)}) | {dollars(bill.dollars)} ({parts}) |"
            )
    return [
        "| nodes | reads a second of each | Snowmelt | DAX + LRU (cluster + misses + zones) |",
        "|---|---|---|---|",
        *rows,
    ]


def with_tables(text: str) -> str:
    """The page with its tables written anew."""
    for name, lines in tables().items():
        marker = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = marker.subn("\\g<1>" + "\n".join(lines).replace("\\", "") + "\n\\g<2>", text)
        assert count == 1, name
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
