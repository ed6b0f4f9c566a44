"""Shards that were read to their end are part of the checkpoint, and are not written anew."""

from dataclasses import replace
from pathlib import Path

from cdc.accelerator import Accelerator, Engine
from cdc.batch import empty_batch
from cdc.checkpoint import Checkpoint
from cdc.columns import Columns
from cdc.engines import sidecars
from cdc.position import After, End
from cdc.shard_progress import ShardProgress
from tests.contracts.accelerator import checkpoint_at, copy_out, reopened

FINISHED = 3_000
OPEN = "shardId-00000001800000000000-aaaa"


def finished(count: int) -> dict[str, ShardProgress]:
    ids = [f"shardId-{1_700_000_000_000 + number:020d}-bbbb" for number in range(count)]
    return {each: ShardProgress(each, None, End(), ended_at=1_790_000_000.0) for each in ids}


def at(version: int, ended: dict[str, ShardProgress]) -> Checkpoint:
    """One open shard, read up to record `version`, beside those that ended."""
    reading = ShardProgress(OPEN, min(ended, default=None), After(f"{version:021d}"))
    return replace(checkpoint_at(version, 5.0), shards={**ended, OPEN: reading})


def commit(accelerator: Accelerator, checkpoint: Checkpoint) -> None:
    accelerator.apply(empty_batch(Columns()), checkpoint)


def log_bytes(engine: Engine, path: Path) -> int:
    return sidecars(engine, path)[0].stat().st_size


def test_commits_that_end_no_shard_do_not_write_the_finished_ones(
    engine: Engine, path: Path, accelerator: Accelerator
) -> None:
    ended = finished(FINISHED)
    commit(accelerator, at(1, ended))
    before = log_bytes(engine, path)

    for version in range(2, 22):
        commit(accelerator, at(version, ended))

    assert log_bytes(engine, path) - before < 20 * 50 * FINISHED
    assert accelerator.checkpoint() == at(21, ended)


def test_a_shard_that_ends_or_is_forgotten_is_so_behind_a_new_start(
    engine: Engine, path: Path, accelerator: Accelerator
) -> None:
    ended = finished(5)
    commit(accelerator, at(1, dict(list(ended.items())[:4])))
    commit(accelerator, at(2, ended))
    commit(accelerator, at(3, dict(list(ended.items())[2:])))
    accelerator.close()

    again = reopened(engine, path)
    try:
        assert again.checkpoint() == at(3, dict(list(ended.items())[2:]))
        commit(again, at(4, {}))
        assert again.checkpoint() == at(4, {})
    finally:
        again.close()


def test_a_shard_that_is_read_again_is_not_finished_any_more(
    engine: Engine, path: Path, accelerator: Accelerator
) -> None:
    ended = finished(2)
    commit(accelerator, at(1, ended))
    first = min(ended)
    again = replace(
        at(2, ended), shards={**at(2, ended).shards, first: ShardProgress(first, None, After("7"))}
    )
    commit(accelerator, again)
    accelerator.close()

    opened = reopened(engine, path)
    try:
        assert opened.checkpoint() == again
    finally:
        opened.close()


def test_a_frozen_image_has_them_too(
    engine: Engine, tmp_path: Path, accelerator: Accelerator
) -> None:
    ended = finished(3)
    commit(accelerator, at(1, ended))
    with accelerator.freeze() as image:
        assert image.checkpoint == at(1, ended)
        copy = copy_out(image, tmp_path / f"copy.{engine}")

    opened = reopened(engine, copy)
    try:
        assert opened.checkpoint() == at(1, ended)
    finally:
        opened.close()
