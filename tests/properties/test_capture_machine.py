"""Laws of whole capture, as a machine that hypothesis drives: whatever happens to table, stream,
service and process, in any order, each commit is what the stream says and the file ends as the
table. Looked at in every commit (`tests.simulators.audit`): no change lost or doubled, no child
before its parent, neither version nor position goes back.

It runs on the scripted stream in memory, and a few times through the real SDK over HTTP.
"""

import contextlib
import random
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cdc.capture_status import CaptureSettings
from cdc.checkpoint import resumable_until
from cdc.errors import (
    AccessDenied,
    CdcError,
    Degraded,
    IteratorExpired,
    Retryable,
    SourceUnreachable,
    Throttled,
)
from cdc.source import ListedShard
from tests.simulators.http_world import HttpWorld
from tests.simulators.world import World

KEYS = [f"key-{number}" for number in range(15)]
OPERATIONS = ["describe", "list_shards", "list_children", "open_iterator", "get_records", "scan"]
ERRORS = [Throttled("rate"), SourceUnreachable("away"), AccessDenied("no")]
HOUR = 3600.0
# Before a position becomes unreadable somebody has to come and read: all runs of an example.
SOON_SECONDS = HOUR / 2
LISTINGS = ["right", "late", "leaves missing", "closed as open"]


class Killed(BaseException):
    """The end of the process: nobody catches it."""


class CaptureOfATable(RuleBasedStateMachine):
    over_http = False

    @initialize(
        shards=st.integers(1, 3),
        seed=st.integers(0, 1_000),
        empty_pages=st.sampled_from([0, 3]),
        page_records=st.sampled_from([1, 3, 1000]),
        rows=st.sampled_from([0, 15]),
        scan_gaps=st.booleans(),
    )
    def begin(
        self,
        shards: int,
        seed: int,
        empty_pages: int,
        page_records: int,
        rows: int,
        scan_gaps: bool,  # noqa: FBT001 - drawn by hypothesis
    ) -> None:
        self.chance = random.Random(seed)
        self.listings = "right"
        made: dict[str, Any] = {
            "shards": shards,
            "seed": seed,
            "settings": CaptureSettings(scan_segments=2, shard_calls_per_second=20.0),
        }
        self.stack = contextlib.ExitStack()
        if self.over_http:
            self.world: World = self.stack.enter_context(HttpWorld.served(**made))
        else:
            self.world = World(**made)
        self.table, self.clock = self.world.table, self.world.clock
        self.table.empty_pages = empty_pages
        self.table.page_records = page_records
        self.table.scan_page_items = 4
        self.table.scan_gaps = scan_gaps
        self.table.distort = self._distorted
        self.world.fill(rows)
        self.clock.advance(HOUR)  # only the scan has these

    # ------------------------------------------------------------ the table and its stream

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=8), value=st.integers())
    def write(self, keys: list[str], value: int) -> None:
        for number, key in enumerate(keys):
            self.table.put(key, value=value, number=number)

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=4), ttl=st.booleans())
    def delete(self, keys: list[str], ttl: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        for key in keys:
            self.table.delete(key, ttl=ttl)

    @rule(seconds=st.sampled_from([0.5, 3.0]), each=st.sampled_from([0.05, 0.4]))
    def write_while_it_runs(self, seconds: float, each: float) -> None:
        def write() -> None:
            self.table.put(self.chance.choice(KEYS), value=self.chance.randrange(10**9))
            self.table.delete(self.chance.choice(KEYS))

        self.clock.every(each, write, until=seconds)

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.5]))
    def roll_over(self, seconds: float) -> None:
        self.clock.after(seconds, self.table.rollover)

    @rule(number=st.integers(0, 20), seconds=st.sampled_from([0.0, 0.3, 1.5]))
    def split(self, number: int, seconds: float) -> None:
        def split() -> None:
            shards = self.table.open_shards()
            self.table.split(shards[number % len(shards)].shard_id)

        self.clock.after(seconds, split)

    @rule(number=st.integers(0, 20), seconds=st.sampled_from([0.0, 0.3, 1.5]))
    def merge(self, number: int, seconds: float) -> None:
        def merge() -> None:
            shards = self.table.open_shards()
            self.table.merge(shards[number % len(shards)].shard_id)

        if not self.over_http:  # which speaks as DynamoDB Streams do
            self.clock.after(seconds, merge)

    # ------------------------------------------------------------ the service

    @rule(listings=st.sampled_from(LISTINGS), late=st.sampled_from([0.0, 1.0, 40.0]))
    def list_otherwise(self, listings: str, late: float) -> None:
        self.listings = listings
        self.table.child_listed_after = late

    @rule(
        operation=st.sampled_from(OPERATIONS),
        error=st.sampled_from(ERRORS),
        times=st.integers(1, 4),
    )
    def refuse(self, operation: str, error: CdcError, times: int) -> None:
        self.table.fail(operation, error, times=times)

    @rule(seconds=st.sampled_from([0.0, 0.4, 1.7]))
    def expire(self, seconds: float) -> None:
        expired = IteratorExpired("Iterator expired")
        self.clock.after(seconds, lambda: self.table.fail("get_records", expired, times=1))

    @rule(seconds=st.sampled_from([0.3, 70.0, 1000.0, 3 * HOUR, 12 * HOUR, 23 * HOUR]))
    def nobody_runs(self, seconds: float) -> None:
        """As long as the file's own word holds that it can be resumed; iterators, records go."""
        stored = self.world.file.checkpoint()
        until = None if stored is None else resumable_until(stored)
        if until is not None:
            seconds = min(seconds, until - SOON_SECONDS - self.clock.now)
        if stored is None or until is not None:
            self.clock.advance(max(0.0, seconds))

    # ------------------------------------------------------------ the process

    @rule(seconds=st.sampled_from([0.2, 1.0, 4.0, 65.0]))
    def run(self, seconds: float) -> None:
        self._live(seconds)

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.3, 0.9, 2.2]))
    def run_and_be_killed(self, seconds: float) -> None:
        lives = True

        def kill() -> None:
            if lives:
                raise Killed

        self.clock.after(seconds, kill)
        with contextlib.suppress(Killed):
            self._live(seconds + 1.0)
        lives = False

    @rule(takes_effect=st.booleans())
    def be_killed_in_the_next_commit(self, takes_effect: bool) -> None:  # noqa: FBT001
        class KilledInCommit(CdcError):
            """Stands for a process that ends."""

        self.world.memory.fail_next(KilledInCommit("kill -9"), after_commit=takes_effect)
        with contextlib.suppress(KilledInCommit):
            self._live(30.0)
        self.world.memory.fail_nothing()

    # ------------------------------------------------------------ laws

    @invariant()
    def the_file_holds_what_was_committed_last(self) -> None:
        stored = self.world.file.checkpoint()
        commits = self.world.memory.commits
        assert stored == (commits[-1] if commits else None)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.stack:
            self.table.heal()
            self.listings = "right"
            self.clock.advance(60.0)
            status = self._live(130.0)
            assert status is not None
            assert status.ready
            self.world.assert_whole()

    # ------------------------------------------------------------ inside

    def _live(self, seconds: float) -> Any:
        if isinstance(self.world, HttpWorld):
            self.world.restart()
        try:
            return self.world.run(seconds).status()
        except (Retryable, Degraded):
            stored = self.world.file.checkpoint()  # only a first start may give up
            assert stored is None or stored.scan.ended_at is None
            return None

    def _distorted(self, shards: list[ListedShard]) -> list[ListedShard]:
        known = self.table.shards
        match self.listings:
            case "late":  # as it was some time ago
                then = self.clock.now - self.chance.choice([0.5, 5.0])
                seen = [each for each in shards if known[each.shard_id].listed_from <= then]
                return seen or shards
            case "leaves missing":
                parents = {up for each in shards for up in (each.parent_id, each.adjacent_id)}
                leaves = {each.shard_id for each in shards} - parents
                hidden = {each for each in sorted(leaves) if self.chance.random() < 0.5}
                return [each for each in shards if each.shard_id not in hidden] or shards
            case "closed as open":  # for a while
                then = self.clock.now - 300.0
                shown = {each for each in known if (known[each].closed_at or then) >= then}
                return [
                    replace(each, is_closed=each.is_closed and each.shard_id not in shown)
                    for each in shards
                ]
            case _:
                return shards


class CaptureOverHttp(CaptureOfATable):
    over_http = True


_QUICK = [HealthCheck.too_slow, HealthCheck.filter_too_much]
TestCaptureOfATable = CaptureOfATable.TestCase
TestCaptureOfATable.settings = settings(
    max_examples=18, stateful_step_count=20, suppress_health_check=_QUICK
)
TestCaptureOverHttp = CaptureOverHttp.TestCase
TestCaptureOverHttp.settings = settings(
    max_examples=3, stateful_step_count=15, suppress_health_check=_QUICK
)
