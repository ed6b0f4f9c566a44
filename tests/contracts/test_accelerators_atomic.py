"""A commit is one transaction in the engine's log, and a tombstone lasts as long as the scan."""

import shutil
from pathlib import Path

from cdc import checkpoint as checkpoints
from cdc.accelerator import Accelerator, Engine
from cdc.engines import sidecars
from tests.contracts.accelerator import Producer, copy_out, item, opened_plainly

CUTS = 24


def test_a_log_that_ends_anywhere_holds_rows_and_checkpoint_of_the_same_commit(
    engine: Engine, tmp_path: Path, accelerator: Accelerator, producer: Producer
) -> None:
    # Each commit adds one item, so that the number of items says which commit the rows are of.
    producer.put(item(1))
    accelerator.maintain(idle=True)
    producer.put(item(2))
    producer.scan(item(3))
    with accelerator.freeze() as image:
        whole = copy_out(image, tmp_path / "whole")
    (log, *_) = sidecars(engine, whole)
    written = log.read_bytes()

    seen = set()
    for number in range(CUTS + 1):
        cut = tmp_path / f"cut{number}"
        shutil.copy(whole, cut)
        (log, *_) = sidecars(engine, cut)
        log.write_bytes(written[: len(written) * number // CUTS])
        text, rows = opened_plainly(engine, cut)
        assert checkpoints.decode(text).version == rows, f"{number}/{CUTS} of the log"
        seen.add(rows)
    assert seen == {1, 2, 3}


def test_a_tombstone_outlasts_upkeep_until_the_scan_has_ended(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.put(item("gone", n=1))
    producer.delete(item("gone"))
    accelerator.maintain(idle=True)
    producer.scan(item("gone", n=1), item("stays", n=1))

    assert accelerator.read(item("gone")) is None
    assert accelerator.row_count() == 1
