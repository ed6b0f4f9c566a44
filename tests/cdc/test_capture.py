"""Stories of capture on a simulated table with a virtual clock, into an accelerator in memory."""

from collections import deque

import pytest

from cdc.capture_status import CaptureSettings
from cdc.errors import (
    AccessDenied,
    CdcError,
    FileUnusable,
    IteratorExpired,
    NoSpace,
    SourceUnreachable,
    StreamDisabled,
    TableNotFound,
    Throttled,
)
from cdc.position import FromStart
from tests.simulators.clock import START
from tests.simulators.world import World

MINUTE, HOUR = 60.0, 3600.0
# For stories of days: a poll each minute, and one item of the scan each half an hour.
SLOW = CaptureSettings(poll_interval_seconds=60.0, scan_max_rcu=1 / 1800, scan_segments=1)


@pytest.fixture
def world() -> World:
    return World()


# ---------------------------------------------------------------- bootstrap


def test_an_empty_table_becomes_ready_without_a_row(world: World) -> None:
    status = world.run().status()

    assert status.ready
    assert world.file.row_count() == 0
    assert world.memory.commits[-1].scan.ended_at is not None


def test_the_first_commit_holds_every_shards_position_before_anything_is_read() -> None:
    world = World(shards=3)
    world.table.fail("scan", SourceUnreachable("time-out"))
    world.table.fail("get_records", SourceUnreachable("time-out"))

    world.run(1.0)

    first = world.memory.commits[0]
    assert first.version == 1
    assert first.generation == 7
    assert {shard.position for shard in first.shards.values()} == {FromStart(START - 300)}
    assert world.commits[0] == first


def test_a_take_over_of_an_idle_table_is_committed_at_once_and_once(world: World) -> None:
    """Who took over publishes nothing before, and an idle table commits once a minute."""
    world.run()
    moment = world.clock.now + 10.0
    commits = len(world.commits)

    def take_over() -> None:
        world.generation = 8

    world.clock.after(10.0, take_over)
    world.run(40.0)

    later = [each for each in world.commits[commits:] if each.generation == 8]
    assert len(later) == 1
    assert (later[0].updated_at or 0.0) - moment < 2.0


def test_a_bootstrap_beside_writes_ends_with_the_table(world: World) -> None:
    world.fill(500)
    numbers = iter(range(10_000))

    def write(_: int) -> None:
        number = next(numbers)
        world.table.put(f"key-{number * 7 % 600}", value=-number)
        world.table.delete(f"key-{number * 13 % 600}")

    world.table.on_scan = lambda: deque(map(write, range(20)))
    world.run()

    world.assert_equal()


def test_a_row_that_was_deleted_after_the_scan_read_it_does_not_come_back(world: World) -> None:
    world.fill(250)
    world.table.scan_page_items = 50
    deleted = iter(sorted(world.table.items))
    world.table.on_scan = lambda: world.table.delete(next(deleted))

    world.run()

    world.assert_equal()
    assert world.file.row_count() < 250


def test_what_happened_long_before_the_bootstrap_is_left_to_the_scan(world: World) -> None:
    world.fill(300)
    world.clock.advance(HOUR)
    world.table.put("late", value=1)

    status = world.run().status()

    assert status.records_total == 1
    world.assert_equal()


def test_an_interrupted_scan_goes_on_where_it_was_with_the_same_segments() -> None:
    world = World(settings=CaptureSettings(scan_segments=3))
    world.fill(900)
    world.table.scan_page_items = 20
    world.run_until(lambda: world.rows_scanned() >= 200)
    scanned = world.calls("scan")
    interrupted = world.memory.commits[-1].scan
    assert interrupted.ended_at is None

    world.settings = CaptureSettings(scan_segments=8)
    world.run()

    assert len(world.memory.commits[-1].scan.segments) == 3
    assert world.memory.commits[-1].scan.rows == 900
    assert world.calls("scan") - scanned < 45 - interrupted.rows / 20 + 3
    world.assert_equal()


def test_a_small_table_is_scanned_in_one_segment_and_a_large_one_in_more() -> None:
    small, larger = World(), World()
    small.fill(10)
    larger.fill(1_500)
    small.run(1.0)
    larger.run(1.0)

    assert len(small.memory.commits[0].scan.segments) == 1
    assert len(larger.memory.commits[0].scan.segments) == 2


def test_the_scan_keeps_to_its_rate() -> None:
    world = World(settings=CaptureSettings(scan_max_rcu=2.0))
    world.fill(500)
    world.table.scan_page_items = 50

    seconds = world.run_until(lambda: world.rows_scanned() == 500)

    assert seconds >= 9 * 1 / 2.0


def test_progress_is_told_while_the_scan_runs() -> None:
    world = World(settings=CaptureSettings(scan_max_rcu=1.0))
    world.fill(1_000)
    world.run(3.5)

    scan = world.capture.status().scan
    assert 0 < scan.rows < 1_000
    assert scan.rows_per_second > 0
    assert scan.eta_seconds is not None
    assert scan.ended_at is None
    assert not world.capture.status().ready


# ---------------------------------------------------------------- following


def followed(world: World) -> World:
    """A world whose bootstrap is over."""
    world.run_until(lambda: world.capture.status().ready)
    return world


def test_a_write_to_an_idle_table_arrives_within_a_second_or_so(world: World) -> None:
    followed(world)
    world.clock.after(30.3, lambda: world.table.put("new", value=1))

    seconds = world.run_until(lambda: world.file.row_count() == 1)

    assert seconds - 30.3 < 1.2


def test_a_split_hands_its_keys_over_to_two_children() -> None:
    world = World(shards=2)
    world.fill(50)
    write = lambda: world.table.put(f"key-{int(world.clock.now * 10) % 70}", v=1)  # noqa: E731
    world.clock.every(0.1, write, until=8.0)
    world.clock.after(3.0, lambda: world.table.split(world.table.open_shards()[0].shard_id))

    world.run(10.0)

    world.assert_equal()
    assert len(world.memory.commits[-1].shards) == 4


def test_a_child_that_is_never_listed_is_an_alarm_and_the_lag_grows(world: World) -> None:
    world.table.child_listed_after = 1e9
    world.clock.after(5.0, world.table.rollover)

    status = world.run(10 * MINUTE).status()

    assert status.shards_without_child == 1
    assert status.degraded is not None
    assert status.lag_ms is not None
    assert status.lag_ms > 9 * MINUTE * 1000


def test_empty_pages_before_data_hide_nothing(world: World) -> None:
    followed(world)
    world.table.empty_pages = 4
    world.table.put("behind", value=1)

    world.run(5.0)

    world.assert_equal()


def test_expiry_lists_are_counted_as_such(world: World) -> None:
    world.fill(3)
    followed(world)
    world.clock.after(1.0, lambda: world.table.delete("key-0", ttl=True))
    world.clock.after(1.0, lambda: world.table.delete("key-1"))

    status = world.run(5.0).status()

    assert status.ttl_deletes_total == 1
    assert world.file.row_count() == 1


def test_a_backlog_makes_batches_larger(world: World) -> None:
    world.clock.advance(1.0)
    world.settings = CaptureSettings(skip_slack_seconds=1e6)
    world.fill(5_000)

    status = world.run().status()

    assert status.records_total == 5_000
    assert status.batches_total < 100


def test_one_poll_of_a_shard_is_under_way_at_a_time_and_not_more_than_five_a_second() -> None:
    world = World()
    world.settings = CaptureSettings(skip_slack_seconds=1e6)
    world.fill(2_000)
    world.table.page_records = 100

    world.run(2.0)

    assert world.calls("get_records") <= 2.0 * 5 + 1


def test_an_idle_table_commits_its_proofs_once_a_minute(world: World) -> None:
    followed(world)
    before = len(world.memory.commits)

    world.run(10 * MINUTE)

    assert 10 <= len(world.memory.commits) - before <= 12
    tips = [shard.tip_at for shard in world.memory.commits[-1].shards.values()]
    assert tips[0] is not None
    assert world.clock.now - tips[0] < 61
    assert True in world.memory.maintained


def test_the_checkpoint_of_an_idle_table_stays_young(world: World) -> None:
    world.settings = SLOW
    world.clock.every(4 * HOUR, world.table.rollover)

    status = world.run(26 * HOUR).status()

    assert status.checkpoint_age_seconds is not None
    assert status.checkpoint_age_seconds < 5 * MINUTE


# ---------------------------------------------------------------- readiness


def test_readiness_takes_a_proof_not_an_empty_page(world: World) -> None:
    seconds = world.run_until(lambda: world.capture.status().ready)

    assert seconds >= 1.0


def test_a_restart_begins_unready(world: World) -> None:
    followed(world)

    assert not world.run(0.5).status().ready
    assert world.run(3.0).status().ready


def test_a_lag_is_unknown_before_it_is_known(world: World) -> None:
    world.table.fail("get_records", SourceUnreachable("time-out"))
    world.run(0.5)

    assert world.capture.status().lag_ms is None


def test_readiness_stays_once_it_was_reached(world: World) -> None:
    world.clock.after(10.0, lambda: world.table.fail("get_records", Throttled("rate")))

    status = world.run(60.0).status()

    assert status.ready
    assert status.phase == "stopped"


# ---------------------------------------------------------------- errors


def test_an_expired_iterator_is_replaced_without_a_gap(world: World) -> None:
    followed(world)
    world.clock.every(1.0, lambda: world.table.put("tick", at=world.clock.now), until=8.5)
    world.clock.after(3.0, lambda: world.table.fail("get_records", IteratorExpired("x"), times=1))

    status = world.run(10.0).status()

    assert status.iterator_refreshes_total == 1
    assert status.records_total == 8
    world.assert_equal()


def test_ten_minutes_without_permission_are_told_and_waited_out(world: World) -> None:
    followed(world)
    denied = AccessDenied("dynamodb:GetRecords on routes")
    world.clock.after(5.0, lambda: world.table.fail("get_records", denied, seconds=10 * MINUTE))
    world.clock.after(60.0, lambda: world.table.put("meanwhile", value=1))
    told: list[str | None] = []
    world.clock.after(8 * MINUTE, lambda: told.append(world.capture.status().degraded))

    status = world.run(15 * MINUTE).status()

    assert told[0] is not None
    assert "dynamodb:GetRecords" in told[0]
    assert status.degraded is None
    assert status.errors["AccessDenied"] > 3
    world.assert_equal()


@pytest.mark.parametrize("operation", ["describe", "list_shards", "get_records", "scan"])
def test_the_first_start_fails_on_a_missing_permission(world: World, operation: str) -> None:
    world.table.fail(operation, AccessDenied(f"no {operation}"))

    with pytest.raises(AccessDenied):
        world.run()


def test_the_first_start_gives_up_on_a_source_that_never_answers(world: World) -> None:
    world.table.fail("describe", SourceUnreachable("no answer"))

    with pytest.raises(SourceUnreachable):
        world.run()


def test_a_node_with_data_waits_for_a_source_that_does_not_answer(world: World) -> None:
    followed(world)
    world.table.fail("describe", SourceUnreachable("no answer"), seconds=5 * MINUTE)
    world.clock.after(60.0, lambda: world.table.put("meanwhile", value=1))

    world.run(10 * MINUTE)

    world.assert_equal()


def test_a_table_that_does_not_exist_ends_the_start(world: World) -> None:
    world.table.fail("describe", TableNotFound("no table routes"))

    with pytest.raises(TableNotFound):
        world.run()


# ---------------------------------------------------------------- gaps and changes


def test_a_stream_that_is_disabled_at_the_start_is_refused(world: World) -> None:
    world.table.disable()

    with pytest.raises(StreamDisabled):
        world.run()


# ---------------------------------------------------------------- commits


def test_a_full_disk_is_waited_out_and_nothing_is_lost(world: World) -> None:
    followed(world)
    for _ in range(5):
        world.memory.fail_next(NoSpace("no space"))
    world.clock.after(1.0, lambda: world.fill(10))

    world.run(30.0)

    world.assert_equal()
    assert world.capture.status().errors["NoSpace"] == 5


def test_a_commit_that_failed_after_it_took_effect_is_not_repeated(world: World) -> None:
    followed(world)
    world.memory.fail_next(NoSpace("no space"), after_commit=True)
    world.clock.after(1.0, lambda: world.fill(10))

    world.run(10.0)

    versions = [checkpoint.version for checkpoint in world.memory.commits]
    assert versions == list(range(1, len(versions) + 1))
    world.assert_equal()


def test_a_file_that_cannot_be_written_ends_the_run(world: World) -> None:
    followed(world)
    world.memory.fail_next(FileUnusable("read-only file system"))
    world.table.put("x", value=1)

    with pytest.raises(FileUnusable):
        world.run()


def test_a_stop_during_a_full_disk_leaves_the_last_commit(world: World) -> None:
    followed(world)
    last = world.memory.commits[-1]
    for _ in range(1_000):
        world.memory.fail_next(NoSpace("no space"))
    world.table.put("x", value=1)

    world.run(5.0)

    assert world.file.checkpoint() == last


def test_every_version_is_one_more_and_told_once(world: World) -> None:
    world.fill(10)
    world.clock.every(1.0, lambda: world.table.put("ticking", at=world.clock.now))
    world.run(20.0)

    assert world.commits == world.memory.commits
    versions = [checkpoint.version for checkpoint in world.commits]
    assert versions == list(range(1, len(versions) + 1))


def test_a_process_that_dies_between_commits_reads_again_what_was_pending(world: World) -> None:
    followed(world)
    write = lambda: world.table.put(f"k-{int(world.clock.now)}", at=world.clock.now)  # noqa: E731
    world.clock.every(0.3, write, until=8.0)

    class Killed(CdcError):
        """Stands for a process that ends."""

    for _ in range(5):
        world.memory.fail_next(Killed("kill -9"))
        with pytest.raises(Killed):
            world.run()
    world.run()

    world.assert_equal()
