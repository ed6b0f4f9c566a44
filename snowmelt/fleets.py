"""What a fleet of nodes that follow one dataset would ask of its bucket, by what lies there."""

from __future__ import annotations

from typing import Any

from snapshotter.errors import ObjectMissing
from snapshotter.reader import read_pointer
from snowmelt.coldstart import describe_source
from snowmelt.errors import UsageError
from snowmelt.fleet_cost import fleet_bill, fleet_json, guessed_of, seen_in
from snowmelt.wiring import DatasetPlan


def fleet_of(plan: DatasetPlan, nodes: int) -> dict[str, Any]:
    """The bill of a month, JSON-ready. Raises UsageError and the store's errors.

    Sizes and rhythm are those of the published snapshots; before there is one they are guessed by
    the table's size.
    """
    if nodes < 1:
        raise UsageError(f"--fleet {nodes} is no number of nodes", hint="write e.g. --fleet 1000")
    if plan.store is None:
        raise UsageError(
            f"dataset {plan.name}: no snapshots are configured", hint="set snapshots.location"
        )
    try:
        known = read_pointer(plan.store, plan.name).catalog
    except ObjectMissing:
        known = ()
    description = None if known else describe_source(plan).description
    guess = guessed_of(description.size_bytes if description else 0, nodes=nodes)
    fleet = seen_in(known, guess)
    return fleet_json(fleet, fleet_bill(fleet))
