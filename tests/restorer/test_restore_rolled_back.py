"""Real files behind a rollback: a node that starts with one takes what was gone back to."""

from pathlib import Path

import pytest

from cdc.accelerator import Engine
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from restorer.verdict import Action
from snapshotter import marks
from snapshotter.catalog_change import change_catalog
from tests.restorer.accelerators import DATASET, plain_rows, rows_of, stored_checkpoint
from tests.restorer.conftest import Produce


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_central_file_from_behind_a_rollback_is_replaced_and_then_kept(
    produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    centre = produce(engine)
    first = centre.publish()
    centre.put(0, 100, seed=2)
    centre.publish()
    centre.close()
    back = change_catalog(
        centre.store, DATASET, lambda pointer: marks.roll_back(pointer, first, "wrong prices")
    )
    request = RestoreRequest(Policy(engine=engine))

    report = restore(centre.store, DATASET, centre.path, request)
    again = restore(centre.store, DATASET, centre.path, request)

    assert (report.snapshot_id, report.decision.action) == (first, Action.RESTORE)
    assert plain_rows(centre.path, engine) == sorted(rows_of(0, 500, seed=1))
    checkpoint = stored_checkpoint(centre.path, engine)
    assert checkpoint is not None
    assert checkpoint.version == 1
    assert back.after.generation == 2
    assert again.decision.action is Action.KEEP_LOCAL
