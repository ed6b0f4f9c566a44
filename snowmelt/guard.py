"""What a producer asks before it publishes: the gate's facts, and the breaker of the live feed.

A mass delete on the feed puts a hold on the dataset in its pointer, so that no node publishes,
followers stay and nothing is pruned, until a person releases it. Capture and queries go on: the
table is the truth. A store that is away keeps only this node from publishing meanwhile.
"""

from __future__ import annotations

from cdc.capture_status import CaptureStatus
from cdc.errors import CdcError
from snapshotter import gate, marks
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import Held, SnapshotError
from snapshotter.format import Pointer
from snapshotter.gatekeeper import Circumstances
from snapshotter.mass_delete import Count, Feed
from snapshotter.objections import StreamFacts
from snapshotter.reader import read_pointer
from snowmelt.clockwork import Clockwork
from snowmelt.logs import logger
from snowmelt.outcomes import Outcomes
from snowmelt.report import Snapshotable
from snowmelt.wiring import DatasetPlan

_ASK_SECONDS = 15.0


class Guard:
    """Of one dataset; used by its producer's thread, `given` also by whoever asks for a snapshot.

    A trip of the breaker is `_tripped`, what was lost; `_is_told` once the hold is in the pointer.
    """

    def __init__(self, plan: DatasetPlan, outcomes: Outcomes, clockwork: Clockwork) -> None:
        self._plan = plan
        self._outcomes = outcomes
        self._clockwork = clockwork
        self._log = logger(dataset=plan.name)
        self._feed: Feed | None = None
        self._tripped: str | None = None
        self._is_told = False
        self._not_before = 0.0

    def given(self, capture: CaptureStatus | None, force: str | None) -> Circumstances:
        """What the gate is told. Raises Held while a mass delete is not in the pointer yet."""
        if self._tripped is not None and not self._is_told:
            raise self._held()
        return Circumstances(
            self._plan.gate.bounds,
            None if capture is None else stream_facts(capture),
            self._plan.section.params.allow_empty,
            force,
        )

    def look(self, found: Snapshotable, generation: int) -> str | None:
        """Watch the feed. Why a snapshot is due, if a person has released the dataset since."""
        now = self._clockwork.monotonic()
        try:
            if self._tripped is None:
                self._watch(found, now)
            if self._tripped is None or now < self._not_before:
                return None
            self._not_before = now + _ASK_SECONDS
            return self._told(generation)
        except (SnapshotError, CdcError) as error:
            self._log.warning("mass_delete_not_told", message=str(error))
            return None

    def _watch(self, found: Snapshotable, now: float) -> None:
        capture = found.capture
        checkpoint = capture.checkpoint
        if not capture.ready or checkpoint is None or not checkpoint.lineage.has_stream:
            return
        feed, lineage_id = self._feed, checkpoint.lineage.id
        if feed is None or feed.lineage_id != lineage_id:
            feed = Feed(lineage_id, self._plan.gate.shrink_window)
        deletes = capture.deletes_total
        if feed.counts and deletes < feed.counts[-1].deletes:
            feed = Feed(lineage_id, feed.window_seconds)  # another capture counts anew
        if not feed.wants_count(now, deletes):
            return
        self._feed = feed.counted(Count(now, found.accelerator.row_count(), deletes))
        self._tripped = self._feed.lost(self._plan.gate.bounds)
        if self._tripped is not None:
            self._is_told, self._not_before = False, 0.0
            self._log.error("mass_delete", message=self._tripped, hint=Held.hint)
            self._outcomes.held(self._held())

    def _told(self, generation: int) -> str | None:
        """Put the hold into the pointer; once it is there, wait until a person took it out."""
        store, name = self._plan.store, self._plan.name
        if store is None:
            return None
        if self._is_told:
            if read_pointer(store, name).hold is not None:
                return None
            self._tripped, self._feed = None, None  # what is there now is what there should be
            return "release"

        def change(pointer: Pointer) -> Pointer:
            gate.check_owner(pointer, generation)
            if pointer.hold is not None:
                return pointer
            return marks.hold(pointer, f"{gate.MASS_DELETE}{self._tripped}")

        change_catalog(store, name, change)
        self._is_told = True
        return None

    def _held(self) -> Held:
        text = f"{self._plan.name} is held: {gate.MASS_DELETE}{self._tripped}"
        return Held(text, reasons=("mass_delete",))


def stream_facts(capture: CaptureStatus) -> StreamFacts:
    """Where capture stands, for the gate."""
    return StreamFacts(
        ready=capture.ready,
        failing=capture.failing,
        is_over=capture.stream_is_over,
        lag_seconds=None if capture.lag_ms is None else capture.lag_ms / 1000,
    )
