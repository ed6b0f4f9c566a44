"""Who may publish what next: the order of generations, lineages and checkpoints. Pure.

fencing    the pointer's generation is ours, or only rollbacks came behind it; same lineage: the
           checkpoint covers the published one, shard by shard; another lineage: its epoch is newer
hold       no person holds the dataset

What speaks against the state itself is in `snapshotter.objections`.
"""

from __future__ import annotations

from cdc import checkpoint as checkpoints
from cdc.checkpoint import Checkpoint
from cdc.position import After, At, End
from cdc.shard_progress import ShardProgress
from snapshotter.errors import Fenced, Held, NothingToSnapshot
from snapshotter.format import CatalogEntry, Header, Pointer

# How a hold begins that a node puts on its dataset when the live feed loses most of its rows.
MASS_DELETE = "mass delete: "


def check_owner(pointer: Pointer, generation: int) -> None:
    """Raise Fenced unless this generation still publishes; a rollback is no other producer."""
    if pointer.generation != generation and not has_only_rollbacks_since(pointer, generation):
        raise Fenced(
            f"{pointer.dataset}: generation {pointer.generation} of {pointer.holder!r} publishes,"
            f" this is generation {generation}"
        )


def has_only_rollbacks_since(pointer: Pointer, generation: int) -> bool:
    """True if a person raised the generation and nobody has taken over."""
    went_back = {rollback.generation for rollback in pointer.rollbacks}
    forks = [fork.generation for fork in pointer.forks if fork.generation >= generation]
    return forks[:1] == [generation] and went_back.issuperset(forks[1:]) and len(forks) > 1


def check_not_held(pointer: Pointer) -> None:
    """Raise Held while a person holds the dataset."""
    if pointer.hold is not None:
        told = f"{pointer.dataset} is held at {pointer.current}: {pointer.hold}"
        raise Held(told, reasons=("mass_delete",) if is_mass_delete(pointer.hold) else None)


def is_mass_delete(hold: str) -> bool:
    """True if a node holds the dataset, because the live feed lost most of its rows."""
    return hold.startswith(MASS_DELETE)


def check_finished(checkpoint: Checkpoint) -> None:
    """Raise NothingToSnapshot while the bootstrap's scan is not over."""
    if checkpoint.scan.ended_at is None:
        raise NothingToSnapshot(
            f"the bootstrap of {checkpoint.lineage.table_name} is not finished"
            f" ({checkpoint.scan.rows} items so far)"
        )


def check_forward(checkpoint: Checkpoint, entry: CatalogEntry, header: Header | None) -> bool:
    """True if the state goes on the published lineage, False if it begins a newer one, else Fenced.

    `header` is None if the published manifest cannot be read; then versions decide. Versions count
    the commits of one writer: a file that went on under a later generation is judged by its shards.
    """
    lineage = checkpoint.lineage
    what = f"{lineage.table_name} version {checkpoint.version}"
    if lineage.id == entry.lineage_id:
        is_later = checkpoint.generation > entry.generation
        if (checkpoint.version < entry.version and not is_later) or (
            header is not None and not checkpoints.is_at_least(checkpoint, header.checkpoint)
        ):
            raise Fenced(
                f"{what} does not cover the published version {entry.version}",
                hint="this file is behind the bucket: restore it from the newest snapshot",
            )
        return True
    if header is not None and lineage.epoch <= header.checkpoint.lineage.epoch:
        raise Fenced(
            f"{what} is of bootstrap {lineage.epoch}, published is the newer"
            f" {header.checkpoint.lineage.epoch}",
            hint="this file is of an earlier bootstrap: restore it from the newest snapshot",
        )
    return False


def is_renewal(previous: Header, now: Checkpoint, row_count: int) -> bool:
    """True if no record was applied since `previous`: only proof times and empty shards differ."""
    before = previous.checkpoint
    if before.lineage != now.lineage or previous.row_count != row_count:
        return False
    return all(_is_unmoved(before.shards.get(name), shard) for name, shard in now.shards.items())


def _is_unmoved(before: ShardProgress | None, shard: ShardProgress) -> bool:
    """True if no record of the shard was applied since; a closed shard keeps its newest record."""
    read = (shard.created_at, shard.position)
    if before is None:
        return shard.created_at is None and not isinstance(shard.position, At | After)
    was = (before.created_at, before.position)
    return read == was or (isinstance(shard.position, End) and read[0] == was[0])
