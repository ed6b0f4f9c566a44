"""Laws of deletion: over any history nothing that is needed goes, and in the end all else does.

A history is what may happen to a dataset in any order: it is published to, also by another node,
with the writes in between that lose; packs are emptied, and sets end; a person pins, quarantines,
goes back; it is pruned whole or in halves; processes die at any call; hours pass. Readers are slow:
what any pointer led to is there for as long as the grace.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from snapshotter import blockmap, catalog_change, marks
from snapshotter.assemble import objects_of
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import Fenced, Held, NotOffered, PreconditionFailed
from snapshotter.format import Pointer
from snapshotter.prune import Pruner
from snapshotter.publish import Publisher
from snapshotter.verify import verify
from tests.snapshotter.bench import DATASET
from tests.snapshotter.faults import Crash
from tests.snapshotter.images import BytesPart
from tests.snapshotter.timed import GRACE, HOUR, TimedBucket

BLOCKS = 24
PAGE = 4
FULL_EVERY = 36 * HOUR
LOST = (Fenced, Held, PreconditionFailed, NotOffered)

calls_until_death = st.none() | st.integers(0, 12)
keeps = st.fixed_dictionaries(
    {"keep_last": st.none() | st.integers(1, 4), "keep_for": st.none() | st.sampled_from([0, 7200])}
)
picks = st.integers(0, 30)


class Histories(RuleBasedStateMachine):
    """One dataset. `promised`: keys, and until when a reader may ask for them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()  # or a history would be too short, and a map too small
        self.patch.setattr(catalog_change, "CATALOG_LIMIT", PAGE)
        self.patch.setattr(blockmap, "_LEAST_ENTRIES", BLOCKS // 3)
        self.bucket = TimedBucket()
        self.chance = random.Random(1)
        self.data = bytearray(self.chance.randbytes(BLOCKS * 512))
        self.version = 0
        self.publishers: list[Publisher] = []
        self.promised: dict[str, float] = {}
        self.newest = ""
        self.take_over()
        self.publish([], None)

    def teardown(self) -> None:
        self.patch.undo()

    # ------------------------------------------------------------ what happens

    @rule()
    def take_over(self) -> None:
        name = f"node-{len(self.publishers)}"
        self.publishers.append(self.bucket.publisher(name, full_every=FULL_EVERY))

    @rule(blocks=st.lists(st.integers(0, BLOCKS - 1), max_size=2), dies=calls_until_death)
    def publish(self, blocks: list[int], dies: int | None) -> None:
        self._during(dies, lambda: self._publish(self.publishers[-1], blocks))
        if dies is not None:
            self.take_over()

    @rule(blocks=st.lists(st.integers(0, BLOCKS - 1), max_size=4), full=st.booleans())
    def publish_by_who_was_fenced(self, blocks: list[int], full: bool) -> None:  # noqa: FBT001 - drawn
        self._during(None, lambda: self._publish(self.publishers[0], blocks, full=full))

    @rule(
        back=st.none() | picks,
        pruned=st.sampled_from([(0, 0), (1, 1), (1, 25), (3, 25)]),
        keep=keeps,
    )
    def publish_while_others_write(
        self, back: int | None, pruned: tuple[int, int], keep: dict[str, int | None]
    ) -> None:
        """Behind the manifest and before the pointer: a person goes back, prunes run."""

        def meanwhile() -> None:
            if back is not None:
                snapshot_id = self._pick(back)
                self._say(lambda pointer: marks.roll_back(pointer, snapshot_id, holds=False))
            times, hours = pruned
            for _ in range(times):
                self.bucket.pass_hours(hours)
                self.prune(keep, None)

        with self._between("put_if_absent", "/manifest", meanwhile):
            self._during(None, lambda: self._publish(self.publishers[-1], [pruned[0]]))

    @rule(keep=keeps, publishes=st.integers(1, 2))
    def prune_while_others_write(self, keep: dict[str, int | None], publishes: int) -> None:
        """Behind the listing and before the pointer: what was looked at is published on."""

        def meanwhile() -> None:
            for _ in range(publishes):
                self.publish([publishes], None)

        before = self.newest
        with self._between("list", "/snapshots/", meanwhile):
            self._during(None, lambda: self._pruner(keep).record(sweeps=True))
        assert self.newest == before or self.newest in self.bucket.ids()

    @rule(at=picks, holds=st.sampled_from([False, False, False, True]), dies=calls_until_death)
    def go_back(self, at: int, holds: bool, dies: int | None) -> None:  # noqa: FBT001 - drawn
        snapshot_id = self._pick(at)
        self._during(
            dies,
            lambda: self._say(lambda pointer: marks.roll_back(pointer, snapshot_id, holds=holds)),
        )

    @rule(at=picks, mark=st.sampled_from([marks.pin, marks.unpin, marks.quarantine, marks.lift]))
    def mark(self, at: int, mark: Callable[[Pointer, str], Pointer]) -> None:
        snapshot_id = self._pick(at)
        self._say(lambda pointer: mark(pointer, snapshot_id))

    @rule()
    def release(self) -> None:
        self._say(marks.release)

    @rule(keep=keeps, dies=calls_until_death)
    def prune(self, keep: dict[str, int | None], dies: int | None) -> None:
        self._during(dies, lambda: self._pruner(keep).record(sweeps=True))

    @rule(keep=keeps, dies=calls_until_death)
    def condemn(self, keep: dict[str, int | None], dies: int | None) -> None:
        self._during(dies, lambda: self._pruner(keep).record(sweeps=False))

    @rule(dies=calls_until_death)
    def sweep(self, dies: int | None) -> None:
        self._during(dies, lambda: self._pruner({}).sweep())

    @rule(hours=st.sampled_from([0.1, 1, 10, 25]))
    def wait(self, hours: float) -> None:
        self.bucket.pass_hours(hours)

    # ------------------------------------------------------------ what holds

    @invariant()
    def whatever_the_catalog_leads_to_is_there_and_stays_for_the_grace(self) -> None:
        needed, there, now = self.bucket.needed(), self.bucket.objects(), self.bucket.timed.clock
        condemned = self.bucket.pointer().condemned_keys

        assert needed <= there, needed - there
        assert not needed & condemned, needed & condemned
        missed = {key for key, until in self.promised.items() if now < until and key not in there}
        assert not missed, missed
        self.promised |= dict.fromkeys(needed, now + GRACE)

    @invariant()
    def sets_share_no_object(self) -> None:
        owners: dict[str, str] = {}
        for header in self.bucket.headers():
            for key in objects_of(header):
                assert owners.setdefault(key, header.full_id) == header.full_id, key

    @rule(keep=keeps)
    def in_the_end_nothing_else_is_there(self, keep: dict[str, int | None]) -> None:
        self._say(marks.release)
        for _ in range(3):
            self.bucket.pass_hours(25)
            self._pruner(keep).record(sweeps=True)

        assert self.bucket.objects() == self.bucket.needed()
        assert self.bucket.pointer().condemned == ()
        for snapshot_id in self.bucket.ids():
            assert verify(self.bucket.timed, DATASET, snapshot_id, "full").ok

    # ------------------------------------------------------------ how

    def _publish(self, publisher: Publisher, blocks: list[int], *, full: bool = False) -> None:
        for block in blocks:
            self.data[block * 512 : block * 512 + 8] = self.chance.randbytes(8)
        self.version += 1
        part = BytesPart(bytes(self.data), block_size=512)
        report = self.bucket.publish(publisher, part, self.version, full=full)
        self.newest = report.snapshot_id

    def _say(self, change: Callable[[Pointer], Pointer]) -> None:
        # It may be quarantined, or too old to be the current one.
        with contextlib.suppress(NotOffered):
            change_catalog(self.bucket.timed, DATASET, change)

    def _pick(self, at: int) -> str:
        ids = self.bucket.ids()
        return ids[at % len(ids)]

    def _pruner(self, keep: dict[str, int | None]) -> Pruner:
        return self.bucket.pruner(**keep)

    @contextlib.contextmanager
    def _between(self, name: str, end: str, meanwhile: Callable[[], None]) -> Iterator[None]:
        """`meanwhile` happens once, behind the first call of this name and key."""
        timed = self.bucket.timed

        def after(_: int, called: str, key: str) -> None:
            if called == name and key.endswith(end):
                timed._after = lambda *_: None
                meanwhile()

        timed._after = after
        yield
        timed._after = lambda *_: None

    def _during(self, dies: int | None, step: Callable[[], object]) -> None:
        """The step, which may lose; its process dies at the call with this number, if there is."""
        timed, first = self.bucket.timed, len(self.bucket.timed.calls)

        def die(number: int, _name: str, _key: str) -> None:
            if dies is not None and number >= first + dies:
                raise Crash

        timed._before = die
        try:
            step()
        except (*LOST, Crash):
            pass
        finally:
            timed._before = lambda *_: None


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
