"""Gathers the facts that the publish gate judges by, and refuses or lets pass. One per publisher.

    stream and table, from what is given · the bucket's identity · the image, opened by its engine
    · that the store deletes nothing by itself: asked of the first objects, and again now and then

Nothing is uploaded before the first three were asked. A refusal for objects that expire comes after
the first pack, because only the store knows, and of an object; from then on that one is asked
first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cdc.accelerator import FrozenImage
from snapshotter import objections
from snapshotter.catalog import newest_good
from snapshotter.errors import GateRefused
from snapshotter.format import Header, Pointer
from snapshotter.objections import Bounds, Objection, StreamFacts
from snapshotter.store import ObjectStore

_OVERRULE = (
    "the newest good snapshot stays; docs/operating.md says what each reason means; a person may "
    "publish once all the same: `snowmelt snapshots create --force --reason WHY`"
)
_UNUSABLE = {
    "other_bucket": "check snapshots.location; if it is meant to be this one, restart the node",
}
_DAMAGED = "nothing was published; look at the file: stop the node, `snowmelt restore`"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What who publishes knows. `force`: why a person overrules what can be overruled."""

    bounds: Bounds = field(default_factory=Bounds)
    stream: StreamFacts | None = None
    allow_empty: bool = False
    force: str | None = None


class Gatekeeper:
    """Remembers the bucket, and an object of it that expires."""

    def __init__(self, store: ObjectStore, dataset: str) -> None:
        self._store = store
        self._dataset = dataset
        self._bucket_id: str | None = None
        self._expiring: str | None = None

    def check(
        self,
        image: FrozenImage,
        pointer: Pointer,
        header: Header | None,
        resumable_until: float | None,
        given: Circumstances,
        *,
        thorough: bool,
    ) -> tuple[str, ...]:
        """What was overruled. Raises GateRefused. `header`: of the published snapshot.

        `thorough`: look at the whole image where a look at its state would do otherwise.
        """
        self._bucket_id = self._bucket_id or pointer.bucket_id
        previous, now = newest_good(pointer), self._store.now()
        found = objections.of_stream(
            image, given.stream, resumable_until, previous, given.bounds, now=now
        )
        of_table = objections.of_table(
            image, previous, header, given.bounds, allow_empty=given.allow_empty
        )
        if pointer.may_shrink:
            of_table = [one for one in of_table if one.reason not in objections.OF_FEWER_ROWS]
        found += of_table
        if pointer.bucket_id != self._bucket_id:
            text = f"{self._store.url} is not the bucket that was taken over"
            found.append(Objection("other_bucket", text))
        if self._expiring is not None:
            found += self._of_expiry([self._expiring])
        overruled = self._passed(found, given)
        # Last, because it takes longest, and a state that is refused is tried again and again.
        self._passed(objections.of_image(image, image.reopened(counts=thorough)), given)
        return overruled

    def check_kept(self, keys: Sequence[str], given: Circumstances) -> None:
        """Raise GateRefused if the store is going to delete one of these by itself."""
        self._passed(self._of_expiry(keys), given)

    def _of_expiry(self, keys: Sequence[str]) -> list[Objection]:
        self._expiring = None
        for key in keys:
            info = self._store.head(key)
            if info is not None and info.expires is not None:
                self._expiring = key
                text = f"{self._store.url} deletes {key} by itself: {info.expires}"
                return [Objection("expiring", text)]
        return []

    def _passed(self, found: Sequence[Objection], given: Circumstances) -> tuple[str, ...]:
        reasons = tuple(one.reason for one in found)
        if not found or (given.force is not None and objections.OVERRULED.issuperset(reasons)):
            return reasons
        texts = tuple(one.text for one in found)
        stays = [reason for reason in reasons if reason not in objections.OVERRULED]
        hint = _UNUSABLE.get(stays[0], _DAMAGED) if stays else _OVERRULE
        message = f"{self._dataset} is not published: {', '.join(texts)}"
        raise GateRefused(message, hint=hint, reasons=reasons)
