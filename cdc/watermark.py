"""How far the file is behind the table, and when it may be called ready.

A shard's proof is max(creation of its newest applied record, tip_at): nothing unread in it is
older. The watermark is the least proof of all shards that still have something to give; what was
written before it is in the file. A blocked shard counts through its parent, which is unfinished
itself; a drained one whose child nobody lists yet stands still at its end. A shard that is
throttled, denied or unlisted proves nothing, so lag grows by itself and needs no special case.
Unknown is None and never zero.

Ready means: the scan has ended, every shard has a proof from after both the scan's end and the
start of this process (a restart may replay, and rows step back until it has passed), and the lag
is within bounds. The caller latches it. Once the stream is disabled and read to its end, the
watermark stays at that end. A table that is read without its stream is ready with its scan's end,
and holds what was written before the scan's begin. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from cdc.lineage import Shard, State

# Creation times are floored to a second, and records show up a moment after the write.
RESOLUTION_SECONDS = 1.0

_SILENT = frozenset({State.BLOCKED, State.FINISHED, State.FORGOTTEN})


def watermark(shards: Iterable[Shard]) -> float | None:
    """Service time before which every write is in the file; None if some shard proves nothing."""
    everything = list(shards)
    speaking = [shard for shard in everything if shard.state not in _SILENT]
    proofs = [_proof(shard) for shard in speaking or _leaves(everything)]
    known = [proof for proof in proofs if proof is not None]
    return min(known) if known and len(known) == len(proofs) else None


def lag_seconds(mark: float | None, now: float) -> float | None:
    """How far behind; None if the watermark is unknown."""
    return None if mark is None else max(0.0, now - mark)


def has_passed(shards: Iterable[Shard], instant: float) -> bool:
    """True if every shard that has something to give is proven read beyond `instant`."""
    return all(_is_beyond(shard, instant) for shard in shards if shard.state not in _SILENT)


def is_ready(
    shards: Iterable[Shard],
    *,
    scan_ended_at: float | None,
    started_at: float,
    now: float,
    ready_lag_seconds: float,
    has_stream: bool = True,
) -> bool:
    """Whether readiness may be declared now. `started_at`: when this process began to read."""
    if scan_ended_at is None or not has_stream:
        return scan_ended_at is not None
    everything = list(shards)
    lag = lag_seconds(watermark(everything), now)
    if lag is None or lag - RESOLUTION_SECONDS > ready_lag_seconds:
        return False
    return has_passed(everything, max(scan_ended_at, started_at))


def _proof(shard: Shard) -> float | None:
    if shard.state in (State.DRAINED, State.FINISHED):
        return shard.progress.ended_at
    return shard.progress.proven_at


def _is_beyond(shard: Shard, instant: float) -> bool:
    progress = shard.progress
    times = (progress.tip_at, progress.ended_at)
    if any(time is not None and time >= instant for time in times):
        return True
    created = progress.created_at
    return created is not None and created > instant + RESOLUTION_SECONDS


def _leaves(shards: list[Shard]) -> list[Shard]:
    parents = {parent for shard in shards for parent in shard.progress.parents}
    return [shard for shard in shards if shard.progress.shard_id not in parents]
