"""Retention of a node that publishes: now and then it prunes, as the verb does.

    condemn   takes what goes out of the catalog, by a conditional write of the pointer
    sweep     deletes what has been condemned for longer than the grace, if the node may delete

A node that publishes needs no right to delete: one that has none condemns, and says once that
somebody else has to sweep. Who does not hold the lease, or is held, prunes nothing. It runs beside
publishing: whose write of the pointer comes second looks again. Trouble is told and tried again;
publishing goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from snapshotter.errors import Held, SnapshotError, StoreAccessDenied
from snapshotter.prune import Pruner
from snowmelt.clockwork import Clockwork
from snowmelt.logs import logger
from snowmelt.wiring import DatasetPlan

_EVERY_SECONDS = 3600.0
# A node that starts publishes first.
_FIRST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class PruneStatus:
    """`last_at`: epoch seconds of the last prune. `sweeps`: False once the store denied a deletion.

    Totals are of this process: snapshots that left the catalog, objects condemned and deleted.
    """

    last_at: float | None = None
    dropped_total: int = 0
    condemned_total: int = 0
    deleted_total: int = 0
    sweeps: bool = True
    problem: str | None = None


class Janitor:
    """Prunes one dataset. `may`: True while this node publishes it."""

    def __init__(self, plan: DatasetPlan, clockwork: Clockwork, may: Callable[[], bool]) -> None:
        self._clockwork = clockwork
        self._may = may
        self._log = logger(dataset=plan.name)
        self._pruner: Pruner | None = None
        section, store = plan.snapshots, plan.store
        if section is not None and store is not None and not section.retention.keeps_all:
            grace = section.prune_grace
            self._pruner = Pruner(store, plan.name, section.retention, grace=grace)
        self._status = PruneStatus()
        self._not_before = clockwork.monotonic() + _FIRST_SECONDS

    def status(self) -> dict[str, Any] | None:
        """How it goes; None where nothing is ever deleted."""
        return None if self._pruner is None else asdict(self._status)

    def tick(self) -> None:
        """Prune if that is due. Raises nothing of the store's."""
        now = self._clockwork.monotonic()
        if self._pruner is None or now < self._not_before or not self._may():
            return
        self._not_before = now + _EVERY_SECONDS
        try:
            self._prune(self._pruner)
        except Held:
            return  # told by whoever would publish
        except SnapshotError as error:
            self._status = replace(self._status, problem=f"{error}; {error.hint}")
            self._log.warning("prune_failed", message=str(error), hint=error.hint)

    def _prune(self, pruner: Pruner) -> None:
        look = pruner.record(sweeps=False)
        dropped, condemned = len(look.plan.going), len(look.plan.dead)
        deleted = self._sweep(pruner) if self._status.sweeps else 0
        was = self._status
        self._status = replace(
            was,
            last_at=self._clockwork.time(),
            dropped_total=was.dropped_total + dropped,
            condemned_total=was.condemned_total + condemned,
            deleted_total=was.deleted_total + deleted,
            problem=None,
        )
        if dropped or condemned or deleted:
            self._log.info("pruned", dropped=dropped, condemned=condemned, deleted=deleted)

    def _sweep(self, pruner: Pruner) -> int:
        try:
            return len(pruner.sweep())
        except StoreAccessDenied as error:
            self._status = replace(self._status, sweeps=False)
            self._log.info("sweep_denied", message=str(error))
            return 0
