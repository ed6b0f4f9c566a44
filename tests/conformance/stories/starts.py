"""Bootstraps: what the scan sees, what the stream says beside it, what a reader is shown."""

from functools import partial
from typing import Any

from tests.conformance.consumer import AnotherSource, Wishes
from tests.conformance.stage import ScriptedStage
from tests.conformance.story import story

HOUR = 3600.0


@story("6.12")
def an_update_in_the_second_in_which_the_scan_read_its_item_wins(s: ScriptedStage) -> None:
    s.fill(40)
    s.clock.advance(HOUR)
    s.table.scan_page_items = 5
    turn = iter(range(10_000))

    def change_one_that_was_read() -> None:
        number = next(turn)
        s.put(f"key-{number % 40}", value=-number)
        if number % 3 == 0:
            s.delete(f"key-{number * 7 % 40}")

    s.table.on_scan = change_one_that_was_read
    s.live()

    s.assert_whole()


@story("6.12")
def a_consumer_whose_clock_is_an_hour_ahead_skips_no_record(s: ScriptedStage) -> None:
    s.wishes = Wishes(clock_ahead_seconds=HOUR)
    s.fill(40)
    s.clock.advance(HOUR)
    s.table.scan_page_items = 5
    turn = iter(range(10_000))
    s.table.on_scan = lambda: s.put(f"key-{next(turn)}", value="changed")

    s.live(partial(s.put, "later"))

    s.assert_whole()


@story("6.13", over_http=False)
def the_stream_is_drained_while_the_scan_takes_thirty_hours(s: ScriptedStage) -> None:
    s.wishes = Wishes(poll_seconds=60.0, scan_units_per_second=1 / 1800)
    s.fill(60)
    s.table.scan_page_items = 1
    s.clock.every(4 * HOUR, s.roll_over)
    s.clock.every(HOUR, lambda: s.put("hourly", at=s.clock.now), until=30 * HOUR)

    s.live_on(31 * HOUR)

    assert s.scans() > 55
    s.assert_whole()


@story("6.13", over_http=False)
def nothing_is_called_ready_before_the_scan_has_ended(s: ScriptedStage) -> None:
    s.wishes = Wishes(scan_units_per_second=1 / 60)
    s.fill(30)
    s.table.scan_page_items = 1
    told = []
    s.clock.every(60.0, lambda: told.append((s.health().ready, s.shows_all())), until=1800.0)

    s.live_on(1860.0)

    assert {is_ready for is_ready, _ in told[:28]} == {False}
    assert s.health().ready is False  # it is not alive any more
    s.assert_whole()


@story("6.31", over_http=False)
def attributes_and_types_that_come_late_are_kept(s: ScriptedStage) -> None:
    """Behind everything that a sample, a page or a bootstrap could have shown."""
    s.fill(1_500)
    s.clock.advance(HOUR)
    s.live(
        partial(s.put, "late", value=1, another="of 1 item in 1,501"),
        partial(s.put, "later", value="a word where there were numbers"),
        partial(s.put, "latest", value=10**37 + 1),
        partial(s.put, "at last", VALUE="another spelling"),
    )

    assert {"id", "value", "another"} <= s.consumer.columns()
    s.assert_whole()


@story("6.32")
def attributes_of_replication_are_kept_and_are_no_columns(s: ScriptedStage) -> None:
    def put_as_a_replica(key: str) -> None:
        item: dict[str, dict[str, Any]] = {"id": {"S": key}, "value": {"N": "1"}}
        s.table.put_item(item)
        marks: dict[str, dict[str, Any]] = {
            "aws:rep:deleting": {"BOOL": False},
            "aws:rep:updatetime": {"N": "1700000000.000001"},
            "aws:rep:updateregion": {"S": "eu-west-1"},
        }
        s.table.put_item(item | marks)  # the second write of the same change

    put_as_a_replica("scanned")
    s.clock.advance(HOUR)
    s.live(partial(put_as_a_replica, "streamed"))

    s.assert_whole()
    assert any("aws:rep:deleting" in item for item in s.consumer.items())
    assert s.consumer.columns() == {"id", "value"}


@story("6.15", "6.29", "4.5", "5.6")
def a_refused_start_neither_scans_nor_changes_what_is_shown(s: ScriptedStage) -> None:
    s.fill(3)
    s.live()
    scans = s.scans()
    s.recreate()
    s.put("of another table")

    for _ in range(2):
        s.ends_in(AnotherSource)

    assert s.scans() == scans
