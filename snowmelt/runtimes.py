"""Which life a dataset lives: it follows its table, or the snapshots that another node makes."""

from __future__ import annotations

from snowmelt.clockwork import Clockwork
from snowmelt.dataset import DatasetRuntime
from snowmelt.edge import EdgeRuntime
from snowmelt.wiring import DatasetPlan

Runtime = DatasetRuntime | EdgeRuntime


def runtime_of(plan: DatasetPlan, clockwork: Clockwork | None = None) -> Runtime:
    """The runtime of a dataset, by its role."""
    if plan.role == "edge":
        return EdgeRuntime(plan, clockwork)
    return DatasetRuntime(plan, clockwork)
