"""The bill of a fleet that is planned, as findings: one for each cause, and their sum. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from snapshotter.format import CatalogEntry
from snowmelt.bill import amount, dollars
from snowmelt.fleet_cost import (
    PREFIX_GETS_PER_SECOND,
    Fleet,
    fleet_bill,
    fleet_json,
    guessed_of,
    seen_in,
)
from snowmelt.preflight.finding import Finding, not_known
from snowmelt.preflight.subject import PlannedFleet
from snowmelt.prices import US_EAST_1
from snowmelt.progress import format_bytes

_CHECK = "fleet"


def sized(
    planned: PlannedFleet,
    entries: Sequence[CatalogEntry],
    table_bytes: int | None,
    encrypted_as: str,
) -> tuple[Fleet, str] | None:
    """The fleet, and where its sizes come from; None if nothing is known of them."""
    if not entries and not table_bytes:  # the service counts each six hours
        return None
    guess = guessed_of(table_bytes or 0, nodes=planned.nodes, poll_seconds=planned.poll_seconds)
    fleet = seen_in(entries, replace(guess, route=planned.route, kms="kms" in encrypted_as))
    if entries:
        return fleet, f"sizes and rhythm of {len(entries)} published snapshots"
    return fleet, "sizes guessed from the table's, a snapshot each 10 minutes"


def bill(planned: PlannedFleet, found: tuple[Fleet, str] | None) -> Iterator[Finding]:
    """What the fleet asks and costs in a month."""
    if found is None:
        hint = "name the table, or a location where snapshots were published and their --dataset"
        yield not_known(_CHECK, f"{amount(planned.nodes)} nodes of data of unknown size", hint)
        return
    fleet, basis = found
    made = fleet_bill(fleet)
    for line in made.lines:
        yield Finding(f"{_CHECK}, {line.what}", "ok", line.text.partition(": ")[2])
    detail = (
        f"{amount(fleet.nodes)} nodes: {amount(fleet.gets)} requests, "
        f"{format_bytes(fleet.bytes_a_month)}, {dollars(made.dollars)} a month "
        f"({US_EAST_1.region}, prices of {US_EAST_1.as_of}); {basis}"
    )
    data = fleet_json(fleet, made)
    busiest = fleet.busiest_requests_per_second
    if busiest > PREFIX_GETS_PER_SECOND:
        hint = (
            f"up to {amount(busiest)} requests a second, and a prefix is good for "
            f"{amount(PREFIX_GETS_PER_SECOND)}: look at the pointer less often"
        )
        yield Finding(_CHECK, "warning", detail, hint, data=data)
        return
    yield Finding(_CHECK, "ok", detail, "docs/cost.md has the formulas", data=data)
