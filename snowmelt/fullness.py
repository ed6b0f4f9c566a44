"""When a snapshot shares nothing with older ones: when that is due, and the file was cleaned first.

A full snapshot is what takes deleted rows out of the bucket, so they should not be in it. While the
file gets rid of them, snapshots go on as before. That is not waited for without end: then the next
one does not have them.
"""

from __future__ import annotations

from cdc.accelerator import Accelerator
from snapshotter.publish import Publisher
from snowmelt import __version__
from snowmelt.clockwork import Clockwork
from snowmelt.wiring import DatasetPlan

_PATIENCE_SECONDS = 6 * 3600.0


def publisher_of(plan: DatasetPlan) -> Publisher:
    """The publisher of a dataset that has a store."""
    if plan.store is None:
        raise ValueError(f"{plan.name} has no store")
    return Publisher(
        plan.store,
        plan.name,
        holder=plan.holder,
        full_every=plan.full_every,
        producer=f"snowmelt {__version__}",
    )


class Fullness:
    """Of one dataset's producer. `full_every`: seconds."""

    def __init__(self, publisher: Publisher, full_every: float, clockwork: Clockwork) -> None:
        self._publisher = publisher
        self._patience = min(_PATIENCE_SECONDS, full_every / 2)
        self._clockwork = clockwork
        self._asked_at: float | None = None

    def wanted(self, accelerator: Accelerator) -> bool | None:
        """What to ask of the next publish: False is not yet, None if that is due."""
        now = self._clockwork.monotonic()
        if not self._publisher.full_is_due():
            self._asked_at = None
            accelerator.cleaning.forget()
            return None
        if self._asked_at is None:
            self._asked_at = now
        accelerator.cleaning.ask()
        is_clean = accelerator.cleaning.stage == "clean"
        return None if is_clean or now - self._asked_at >= self._patience else False
