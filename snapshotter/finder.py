"""Which blocks have to be read: those that may have changed since the snapshot before.

An engine can tell what it wrote since an earlier freeze of the same open file (`mark` and
`changed_since` of `cdc.accelerator.FrozenPart`). Blocks that it did not write keep their entry of
the map, unread. What the map before does not know has to be read all the same. Once a day every
block is read: then one that differs although nobody wrote it is a failing disk, or a writer that is
not ours, and nothing may be published from that file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cdc.accelerator import FrozenPart
from snapshotter.blocks import Geometry
from snapshotter.consolidation import NEVER
from snapshotter.errors import Corrupt
from snapshotter.format import DIGEST_BYTES

# Every block is read when it was not for so long.
HASH_ALL_SECONDS = 24 * 3600.0
_ZERO = bytes(DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class Mark:
    """The freeze of a part that was published. `hashed_at`: when all of it was read last."""

    value: object
    hashed_at: float


@dataclass(frozen=True, slots=True)
class Finding:
    """`read`: blocks that have to be read, None for all. `expected`: those that may differ."""

    read: frozenset[int] | None
    expected: frozenset[int] | None
    hashed_at: float


def find(
    part: FrozenPart,
    shape: Geometry,
    before: Sequence[Sequence[bytes]],
    mark: Mark | None,
    now: float,
) -> Finding:
    """`before`: digests of the map that the part is compared with, by segment. `now`: monotonic."""
    ask = getattr(part, "changed_since", None)
    changed: frozenset[int] | None = None if ask is None or mark is None else ask(mark.value)
    if changed is None or mark is None:
        return Finding(None, None, now)
    expected = _with_unknown(shape, before, changed)
    if now - mark.hashed_at >= HASH_ALL_SECONDS:
        return Finding(None, expected, now)
    return Finding(expected, expected, mark.hashed_at)


def marked(part: FrozenPart, finding: Finding) -> Mark | None:
    """The mark of this freeze, for the next snapshot."""
    ask = getattr(part, "mark", None)
    return None if ask is None else Mark(ask(), finding.hashed_at)


def reading(shape: Geometry, finding: Finding) -> Geometry:
    """The shape with the blocks that are to be read."""
    return replace(shape, read=finding.read)


def kept(shape: Geometry, first: int, count: int, before: Sequence[bytes]) -> list[bytes]:
    """Digests of a segment's blocks as they were; zero for holes, and for all if all are read."""
    if shape.read is None:
        return [_ZERO] * count
    digests = list(before[:count])
    digests += [_ZERO] * (count - len(digests))
    if shape.used is not None:
        for number in range(count):
            if first + number not in shape.used:
                digests[number] = _ZERO
    return digests


def check_expected(shape: Geometry, finding: Finding, stored: Iterable[int]) -> None:
    """Raise Corrupt if a block differs from the snapshot before that nobody wrote."""
    if finding.read is not None or finding.expected is None:
        return
    if rotten := sorted(set(stored) - finding.expected - {0}):
        raise Corrupt(
            f"block {rotten[0]} of {shape.name} is not as in the last snapshot, nor are"
            f" {len(rotten) - 1} others, although the engine did not write them",
            hint="the disk or the memory fails, or another process writes the file: restore it,"
            " or start again to publish it as it is",
        )


def _with_unknown(
    shape: Geometry, before: Sequence[Sequence[bytes]], changed: frozenset[int]
) -> frozenset[int]:
    unknown = set(changed)
    most, known = shape.segment_entries, 0
    for number, digests in enumerate(before):
        known += len(digests)
        if _ZERO in digests or NEVER in digests:
            first = number * most
            unknown.update(
                first + slot for slot, one in enumerate(digests) if one in (_ZERO, NEVER)
            )
    unknown.update(range(known, shape.block_count))
    return frozenset(unknown if shape.used is None else unknown & shape.used)
