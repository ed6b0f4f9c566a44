"""The files of a dataset: the live one, and the one that is built beside it and switched to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cdc import engines
from cdc.accelerator import Accelerator
from cdc.checkpoint import Lineage
from cdc.engines import open_accelerator, sidecars
from cdc.errors import FileEmpty, LineageChanged
from cdc.source import SourceDescription
from restorer.local import free_bytes, inspect_local
from restorer.switch import Origin, forget_previous, switch, work_directory
from snowmelt.cost import BootstrapCost, bootstrap_cost
from snowmelt.errors import UsageError
from snowmelt.wiring import DatasetPlan


@contextlib.contextmanager
def opened(plan: DatasetPlan, path: Path) -> Iterator[Accelerator]:
    """The dataset's file, made if it does not exist. Raises the errors of the accelerator."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path.parent} cannot be made: {error.strerror}",
            hint="check acceleration.path and its permissions",
        ) from error
    try:
        accelerator = _open(plan, path, is_new=not path.exists())
    except FileEmpty:
        accelerator = _open(plan, path, is_new=True)
    if path == plan.path:
        # The file it replaced is of no use once this one is open.
        forget_previous(path, accelerator.checkpoint())
    try:
        yield accelerator
    finally:
        accelerator.close()


def _open(plan: DatasetPlan, path: Path, *, is_new: bool) -> Accelerator:
    acceleration = plan.section.acceleration
    return open_accelerator(
        acceleration.engine,
        path,
        plan.name,
        keys=plan.source.describe().keys if is_new else None,
        create=is_new,
        memory_limit=acceleration.memory_limit,
        storage_version=acceleration.storage_version,
    )


def cost_of_filling(plan: DatasetPlan, path: Path, description: SourceDescription) -> BootstrapCost:
    """What loading the table into this file costs."""
    held = (path, *sidecars(plan.section.acceleration.engine, path))
    return bootstrap_cost(
        description,
        max_rcu=plan.section.params.scan_max_rcu,
        disk_free_bytes=free_bytes(path),
        place=str(plan.path.parent),
        disk_held_bytes=sum(file.stat().st_size for file in held if file.exists()),
    )


def side_path(plan: DatasetPlan) -> Path:
    """Where a second file is built; an interrupted build goes on there."""
    return work_directory(plan.path) / "rebuild" / plan.path.name


def refuse_another_table(live: Lineage | None, table_id: str) -> None:
    """Raise LineageChanged if a rebuild would put this table in the place of another one.

    A person decides that. Another stream of the same table is none: a rebuild reads the table.
    """
    if live is not None and live.table_id != table_id:
        raise LineageChanged(
            f"the table of {live.table_name} is not the one that the file was built from:"
            f" {live.table_id} then, {table_id} now"
        )


def make_live(plan: DatasetPlan, lineage: Lineage, *, same_table: bool = False) -> None:
    """Switch to the finished, closed second file, which is of this lineage and has no log.

    `same_table`: raise LineageChanged if the live file is of another table.
    """
    if same_table:
        refuse_another_table(inspect_local(plan.path, plan.name).lineage, lineage.table_id)
    engine = plan.section.acceleration.engine
    side = side_path(plan)
    origin = Origin(snapshot_id="", location=plan.section.source, lineage=lineage)
    switch(plan.path, side, sidecars(engine, plan.path), origin)


def fold_log(plan: DatasetPlan) -> None:
    """Make one file of the closed second file and its log."""
    engines.fold_log(plan.section.acceleration.engine, side_path(plan))


def remove(plan: DatasetPlan) -> None:
    """Delete the second file, which is of no use any more."""
    path = side_path(plan)
    for file in (path, *sidecars(plan.section.acceleration.engine, path)):
        file.unlink(missing_ok=True)
