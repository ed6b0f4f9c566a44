"""Alerts about snapshots: are there new ones, who publishes, who can restore, who follows."""

from __future__ import annotations

from tests.observability.cases import (
    DATASET,
    READ_ANEW,
    READY,
    Cases,
    always,
    dynamodb,
    hours_ago,
    node,
    problem,
    snapshot,
)

CASES = Cases()
fires, quiet = CASES.fires, CASES.quiet

# ---------------------------------------------------------------- snapshots

NEWEST, PROVEN, PRUNED = "newest_timestamp", "proven_timestamp", "prune_timestamp"
NOW = "0+60x100"
# Another node, which has seen a newer one.
SEEN_NOW = snapshot(NEWEST, NOW, instance="node-2")

OLD = snapshot(NEWEST, hours_ago(2))
fires("SnowmeltSnapshotOld", 11, OLD, about=DATASET, value="2h 11m 0s")
quiet("SnowmeltSnapshotOld", 10, OLD)
quiet("SnowmeltSnapshotOld", 60, OLD, SEEN_NOW)
quiet("SnowmeltSnapshotOld", 60, OLD, READ_ANEW)

OLDER = snapshot(NEWEST, hours_ago(18))
fires("SnowmeltSnapshotExpiring", 6, OLDER, about=DATASET, value="18h 6m 0s")
quiet("SnowmeltSnapshotExpiring", 5, OLDER)
quiet("SnowmeltSnapshotExpiring", 60, OLDER, SEEN_NOW)
quiet("SnowmeltSnapshotExpiring", 60, OLDER, READ_ANEW)

HOLDER, WAITS = snapshot("lease_held", always(1)), snapshot("lease_held", always(0))
fires("SnowmeltNoSnapshot", 60, HOLDER, READY, about=DATASET)
quiet("SnowmeltNoSnapshot", 59, HOLDER, READY)
quiet("SnowmeltNoSnapshot", 90, HOLDER, READY, SEEN_NOW)
quiet("SnowmeltNoSnapshot", 90, HOLDER, dynamodb("ready", always(0)))
quiet("SnowmeltNoSnapshot", 90, WAITS, READY)

FAILURES = "failure_total"
fires("SnowmeltSnapshotsFailing", 20, snapshot(FAILURES, "0+0.41x60"), value="6.15")
quiet("SnowmeltSnapshotsFailing", 19, snapshot(FAILURES, "0+0.41x60"))
quiet("SnowmeltSnapshotsFailing", 60, snapshot(FAILURES, "0+0.39x60"))

UNPROVEN = snapshot(PROVEN, hours_ago(48))
fires("SnowmeltSnapshotUnproven", 11, UNPROVEN, about=DATASET, value="2d 0h 11m 0s")
quiet("SnowmeltSnapshotUnproven", 10, UNPROVEN)
quiet("SnowmeltSnapshotUnproven", 60, UNPROVEN, snapshot(PROVEN, NOW, instance="node-2"))

DAYS = snapshot(NEWEST, "0+60x2880")
fires("SnowmeltNeverProven", 2880, DAYS, about=DATASET)
quiet("SnowmeltNeverProven", 2870, DAYS)
quiet("SnowmeltNeverProven", 2880, DAYS, snapshot(PROVEN, "0x2880"))

FAULTS = snapshot("verified_faults", always(1))
fires("SnowmeltSnapshotDamaged", 1, FAULTS, about=DATASET, value="1")
quiet("SnowmeltSnapshotDamaged", 0, FAULTS)
quiet("SnowmeltSnapshotDamaged", 60, snapshot("verified_faults", always(0)))

UNPRUNED = snapshot(PRUNED, hours_ago(6))
fires("SnowmeltPruneOverdue", 31, UNPRUNED, about=DATASET, value="6h 31m 0s")
UNHELD = snapshot("held", always(0))
fires("SnowmeltPruneOverdue", 31, UNPRUNED, UNHELD, about=DATASET, value="6h 31m 0s")
quiet("SnowmeltPruneOverdue", 30, UNPRUNED)
quiet("SnowmeltPruneOverdue", 60, UNPRUNED, snapshot("held", always(1)))
quiet("SnowmeltPruneOverdue", 60, UNPRUNED, snapshot(PRUNED, NOW, instance="node-2"))

# ---------------------------------------------------------------- publishing


def because(reason: str) -> dict[str, str]:
    """Why nothing is published; the others are told, too, and are 0."""
    other = "lagging" if reason != "lagging" else "shrunk"
    told = snapshot("held_reason", always(1), reason=reason)
    return {**told, **snapshot("held_reason", always(0), reason=other)}


fires("SnowmeltMassDelete", 1, because("mass_delete"), reason="mass_delete")
quiet("SnowmeltMassDelete", 0, because("mass_delete"))
quiet("SnowmeltMassDelete", 60, because("held"))

fires("SnowmeltGateHolds", 15, because("shrunk"), reason="shrunk")
fires("SnowmeltGateHolds", 15, because("expired"), reason="expired")
quiet("SnowmeltGateHolds", 14, because("shrunk"))
for reason in ("held", "mass_delete", "not_ready"):
    quiet("SnowmeltGateHolds", 60, because(reason))

fires("SnowmeltHeld", 240, because("held"), reason="held")
quiet("SnowmeltHeld", 239, because("held"))
quiet("SnowmeltHeld", 300, because("mass_delete"))

WAITS_TOO = snapshot("lease_held", always(0), instance="node-2")
fires("SnowmeltNobodyPublishes", 5, WAITS, WAITS_TOO, about=DATASET)
quiet("SnowmeltNobodyPublishes", 4, WAITS, WAITS_TOO)
quiet("SnowmeltNobodyPublishes", 60, HOLDER, WAITS_TOO)

fires("SnowmeltFenced", 5, snapshot("fenced", always(1)))
quiet("SnowmeltFenced", 4, snapshot("fenced", always(1)))
quiet("SnowmeltFenced", 60, snapshot("fenced", always(0)))

FIVE = snapshot("generation", "3x59 8x60", instance="node-2"), snapshot("generation", always(3))
fires("SnowmeltLeaseFlapping", 61, *FIVE, about=DATASET, value="5")
quiet("SnowmeltLeaseFlapping", 60, *FIVE)
quiet("SnowmeltLeaseFlapping", 90, snapshot("generation", "3x59 7x60"))

# ---------------------------------------------------------------- restoring

for code in (4, 5, 8, 11):
    fires("SnowmeltRestoreFailing", 5, problem(code), code=str(code))
quiet("SnowmeltRestoreFailing", 4, problem(5))
quiet("SnowmeltRestoreFailing", 60, problem(7))
quiet("SnowmeltRestoreFailing", 60, problem(8), READY)
fires("SnowmeltRestoreFailing", 5, problem(8), dynamodb("ready", always(0)), code="8")

fires("SnowmeltRestoreFellBack", 1, snapshot("bootstrap_rejected", always(1)), value="1")
quiet("SnowmeltRestoreFellBack", 0, snapshot("bootstrap_rejected", always(1)))
quiet("SnowmeltRestoreFellBack", 60, snapshot("bootstrap_rejected", always(0)))

# ---------------------------------------------------------------- edges


def follow(name: str, values: str) -> dict[str, str]:
    """`dataset_follow_` + `name`."""
    return dict(node(f"dataset_follow_{name}", values))


OLD_DATA, STALE = follow("age_ms", always(7_201_000)), dynamodb("stale", always(1))
fires("SnowmeltEdgeOld", 10, OLD_DATA, STALE, value="2h 0m 1s")
quiet("SnowmeltEdgeOld", 9, OLD_DATA, STALE)
quiet("SnowmeltEdgeOld", 60, OLD_DATA, dynamodb("stale", always(0)))
quiet("SnowmeltEdgeOld", 60, STALE)

BEHIND, SWITCHED = follow("versions_behind", always(1)), "switched_timestamp"
fires("SnowmeltEdgeBehind", 31, BEHIND, follow(SWITCHED, "0x60"), value="1")
quiet("SnowmeltEdgeBehind", 30, BEHIND, follow(SWITCHED, "0x60"))
quiet("SnowmeltEdgeBehind", 60, BEHIND, follow(SWITCHED, "0+60x60"))
quiet("SnowmeltEdgeBehind", 60, follow("versions_behind", always(0)), follow(SWITCHED, "0x60"))

fires("SnowmeltEdgeCutOff", 21, follow("answered_timestamp", "0x60"), value="21m 0s")
quiet("SnowmeltEdgeCutOff", 20, follow("answered_timestamp", "0x60"))
quiet("SnowmeltEdgeCutOff", 60, follow("answered_timestamp", "0+60x60"))

REJECTED = follow("rejected_total", "3x89 4x100")
fires("SnowmeltEdgeRejects", 91, REJECTED, value="1")
quiet("SnowmeltEdgeRejects", 90, REJECTED)
quiet("SnowmeltEdgeRejects", 170, REJECTED)
