"""Laws of reading a stream, under any order of writes, splits, late listings, expiry and crashes.

The real reader runs on the simulated stream. What it hands over between two commits is kept like a
file would keep it: a crash forgets the pending batch and resumes from the committed positions.
"""

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from cdc.capture_status import CaptureSettings
from cdc.errors import IteratorExpired, SourceUnreachable, Throttled
from cdc.graph import ShardGraph
from cdc.lineage import Horizon
from cdc.polling import PageFetched, ShardsFetched
from cdc.position import End, progress_order, sequence_order
from cdc.reader import StreamReader
from cdc.shard_progress import ShardProgress
from cdc.troubles import Troubles
from tests.simulators.clock import InlineWorkers, VirtualClock
from tests.simulators.stream import SimulatedTable

KEYS = [f"key-{number}" for number in range(12)]


class ReadingAStream(RuleBasedStateMachine):
    @initialize(
        shards=st.integers(1, 3),
        late=st.sampled_from([0.0, 0.5, 30.0]),
        empty_pages=st.sampled_from([0, 3]),
        page_records=st.sampled_from([1, 2, 1000]),
    )
    def begin(self, shards: int, late: float, empty_pages: int, page_records: int) -> None:
        self.clock = VirtualClock()
        self.table = SimulatedTable(self.clock, shards=shards)
        self.table.child_listed_after = late
        self.table.empty_pages = empty_pages
        self.table.page_records = page_records
        graph = ShardGraph.start(
            self.table.list_shards(),
            began_at=self.clock.now,
            slack_seconds=300,
            horizon=Horizon(),
        )
        self.committed: dict[str, ShardProgress] = graph.progress()
        self.applied: defaultdict[str, list[int]] = defaultdict(list)
        self._resume(0)

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=8), value=st.integers())
    def write(self, keys: list[str], value: int) -> None:
        for number, key in enumerate(keys):
            self.table.put(key, value=value, number=number)

    @rule()
    def roll_over(self) -> None:
        self.table.rollover()

    @rule(number=st.integers(0, 20))
    def split(self, number: int) -> None:
        shards = self.table.open_shards()
        self.table.split(shards[number % len(shards)].shard_id)

    @rule(number=st.integers(0, 20))
    def merge(self, number: int) -> None:
        lower = sorted(self.table.open_shards(), key=lambda shard: shard.low)[:-1]
        if lower:
            self.table.merge(lower[number % len(lower)].shard_id)

    @rule(seconds=st.sampled_from([0.3, 2.0, 70.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(
        operation=st.sampled_from(["get_records", "open_iterator", "list_shards", "list_children"]),
        error=st.sampled_from([Throttled("rate"), SourceUnreachable("time-out")]),
        times=st.integers(1, 3),
    )
    def refuse(self, operation: str, error: Throttled | SourceUnreachable, times: int) -> None:
        self.table.fail(operation, error, times=times)

    @rule(number=st.integers(0, 20), seconds=st.sampled_from([2.0, 70.0]))
    def hold_back(self, number: int, seconds: float) -> None:
        """One shard is read later than the others."""
        shards = self.table.open_shards()
        held = shards[number % len(shards)].shard_id
        self.table.fail("get_records", Throttled("rate"), seconds=seconds, shard_id=held)

    @rule()
    def list_now(self) -> None:
        self.reader.discovery.full_at = 0.0

    @rule()
    def expire(self) -> None:
        self.table.fail("get_records", IteratorExpired("expired"), times=1)

    @rule(turns=st.integers(1, 30))
    def read(self, turns: int) -> None:
        for _ in range(turns):
            self._turn()

    @rule()
    def commit(self) -> None:
        self._commit()

    @rule(seed=st.integers(0, 1000))
    def crash(self, seed: int) -> None:
        self._resume(seed)

    def teardown(self) -> None:
        if not hasattr(self, "table"):
            return
        self.table.heal()
        end = self.clock.now + 400
        while self.clock.now < end:
            self._turn()
        self._commit()
        for shard in self.table.shards.values():
            expected = [sequence_order(record.sequence) for record in shard.records]
            assert self.applied[shard.shard_id] == expected, "a change was lost, doubled or moved"

    def _resume(self, seed: int) -> None:
        self.workers = InlineWorkers(self.clock, seed)
        graph = ShardGraph.resume(self.committed, Horizon())
        self.reader = StreamReader(
            self.table, graph, self.workers, Troubles(), CaptureSettings(), lambda: 0.5
        )

    def _turn(self) -> None:
        now = self.workers.monotonic()
        self.reader.advance(self.clock.now)
        self.reader.submit_due(now)
        wait = min(max(self.reader.next_at() - now, 0.0), 1.0)
        for result in self.workers.results(wait, 20):
            if isinstance(result, PageFetched):
                self._check_parents(result.shard_id)
                self.reader.take_page(result, self.workers.monotonic())
            elif isinstance(result, ShardsFetched):
                self.reader.take_listing(result, self.workers.monotonic())

    def _check_parents(self, shard_id: str) -> None:
        known = self.reader.graph.progress()
        shard = self.table.shards[shard_id]
        for parent in (shard.parent_id, shard.adjacent_id):
            if parent in known:
                assert isinstance(known[parent].position, End), "read before its parent's end"

    def _commit(self) -> None:
        for page in self.reader.take_pending():
            sequences = [sequence_order(record.sequence) for record in page.records]
            self.applied[page.shard_id] += sequences
        progress = self.reader.graph.progress()
        for shard_id, before in self.committed.items():
            if shard_id in progress:
                position = progress[shard_id].position
                assert progress_order(position) >= progress_order(before.position)
        self.committed = progress


ReadingAStream.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestReadingAStream = ReadingAStream.TestCase
