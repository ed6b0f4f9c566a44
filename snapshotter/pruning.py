"""What a prune does, from what is known: pointer, needed objects, listing, time. Pure.

    listed and not needed       -> condemned, by a write of the pointer
    condemned, and grace over   -> deleted
    deleted                     -> forgotten, with the next write

A publish that is under way has objects that nothing refers to yet. They are told by their names, as
a publisher's time only grows, and condemned only once they are older than the grace; and should one
of them be published all the same, the write of the pointer finds it on the list. Objects of other
kinds and names that do not parse are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from snapshotter import layout
from snapshotter.format import CONDEMNED_LIMIT, CatalogEntry, Condemned, Pointer
from snapshotter.layout import SnapshotId
from snapshotter.store import ObjectInfo

GRACE_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`going`: snapshots that retention does not keep. `dead`: objects to condemn.

    `due`: condemned for longer than the grace. `waiting`: condemned, and the grace goes on.
    """

    going: tuple[CatalogEntry, ...]
    dead: tuple[ObjectInfo, ...]
    due: tuple[Condemned, ...]
    waiting: tuple[Condemned, ...]


def make_plan(
    pointer: Pointer,
    going: tuple[CatalogEntry, ...],
    needed: frozenset[str],
    listed: Iterable[ObjectInfo],
    *,
    now: float,
    grace: float,
) -> Plan:
    """`pointer` has the whole catalog; `needed`: keys of all that its kept snapshots refer to."""
    known, due = pointer.condemned_keys, due_of(pointer, now=now, grace=grace)
    room = CONDEMNED_LIMIT - len(pointer.condemned)
    dead = [
        info
        for info in listed
        if info.key not in needed
        and info.key not in known
        and _is_dead(pointer, info, now=now, grace=grace)
    ]
    passed = set(due)
    waiting = tuple(each for each in pointer.condemned if each not in passed)
    return Plan(going, tuple(dead[: max(0, room)]), due, waiting)


def due_of(pointer: Pointer, *, now: float, grace: float) -> tuple[Condemned, ...]:
    """What may be deleted now."""
    return tuple(each for each in pointer.condemned if each.since + grace <= now)


def recorded(pointer: Pointer, plan: Plan, *, now: float) -> Pointer:
    """The pointer after the plan's objects were deleted: those are forgotten, the dead condemned.

    `pointer` has the whole catalog.
    """
    going = {entry.snapshot_id for entry in plan.going}
    new = (Condemned(info.key, now) for info in plan.dead)
    return replace(
        pointer,
        catalog=tuple(entry for entry in pointer.catalog if entry.snapshot_id not in going),
        condemned=(*plan.waiting, *new),
    )


def _is_dead(pointer: Pointer, info: ObjectInfo, *, now: float, grace: float) -> bool:
    """True of an object that nothing refers to, and that nobody is about to refer to."""
    try:
        name = layout.name_of_key(pointer.dataset, info.key)
    except ValueError:
        return False
    snapshot_id = SnapshotId.parse(layout.snapshot_of_name(name))
    is_page = info.key.startswith(f"{pointer.dataset}/catalog/")
    if is_page or _may_be_under_way(pointer, snapshot_id):
        return now - info.modified_at >= grace
    return True


def _may_be_under_way(pointer: Pointer, snapshot_id: SnapshotId) -> bool:
    """True if the generation that publishes has not yet published a later one."""
    if snapshot_id.generation < pointer.generation:
        return False
    of_it = (SnapshotId.parse(entry.snapshot_id) for entry in pointer.catalog)
    made = [each.created_ms for each in of_it if each.generation == snapshot_id.generation]
    return snapshot_id.created_ms > max(made, default=-1)
