"""When a table is read anew, whether an interrupted load goes on, and what may replace what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdc.capture_status import CaptureStatus
from cdc.checkpoint import Checkpoint, Lineage
from snapshotter.trigger import TriggerSettings, due
from snowmelt.newest import Newest, facts_since
from snowmelt.refreshes import described, due_at, goes_on, why_refused
from snowmelt.staleness import judge_refreshed
from tests.snapshotter.images import checkpoint, lineage

NOW = 1_780_000_000.0
HOUR = 3600.0


def of(epoch: str) -> Lineage:
    return replace(lineage(epoch), stream_arn="")


OLD, NEW = of("20260801T000000Z-aaaa"), of("20260802T000000Z-aaaa")


def loaded(now: float, epoch: Lineage = NEW, *, finished: bool = True) -> Checkpoint:
    """Its scan began 60 s before `now` and ended 30 s before; the last commit was at `now`."""
    return checkpoint(now, of=epoch, finished=finished, shards={}, watermark=now - 60)


# ---------------------------------------------------------------- when


def test_a_refresh_is_due_an_interval_behind_the_end_of_the_last_scan() -> None:
    assert due_at(loaded(NOW), HOUR) == NOW - 30 + HOUR


def test_the_age_of_the_data_counts_from_the_begin_of_its_scan() -> None:
    told = described(loaded(NOW), HOUR, now=NOW, completed=2, failed=1)

    assert (told["data_at"], told["data_age_seconds"]) == (NOW - 60, 60.0)
    assert told["due_at"] == NOW - 30 + HOUR
    assert (told["completed_total"], told["failed_total"]) == (2, 1)


@pytest.mark.parametrize("served", [None, loaded(NOW, finished=False)])
def test_of_what_was_never_finished_no_age_is_told(served: Checkpoint | None) -> None:
    told = described(served, HOUR, now=NOW, completed=0, failed=0)

    assert (told["data_at"], told["data_age_seconds"], told["due_at"]) == (None, None, None)


@pytest.mark.parametrize(
    "is_complete, is_due, expected",
    [(True, False, (True, False)), (True, True, (True, True)), (False, True, (False, False))],
)
def test_what_is_served_is_stale_from_the_instant_at_which_a_refresh_is_due(
    *, is_complete: bool, is_due: bool, expected: tuple[bool, bool]
) -> None:
    standing = judge_refreshed(file_is_complete=is_complete, is_due=is_due)

    assert (standing.ready, standing.stale) == expected


# ---------------------------------------------------------------- an interrupted load


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    "rested, goes", [(0.0, True), (HOUR, True), (HOUR + 1, False), (300 * HOUR, False)]
)
def test_a_load_goes_on_unless_it_lay_still_for_longer_than_an_interval(
    *, finished: bool, rested: float, goes: bool
) -> None:
    begun = loaded(NOW, finished=finished)

    assert goes_on(begun, None, now=NOW + rested, interval_seconds=HOUR) is goes


def test_a_load_that_took_longer_than_an_interval_may_rest_as_long_as_it_took() -> None:
    begun = loaded(NOW, finished=False)  # it took a minute so far

    assert goes_on(begun, None, now=NOW + 59, interval_seconds=1.0)
    assert not goes_on(begun, None, now=NOW + 61, interval_seconds=1.0)


def test_a_load_that_began_before_what_is_served_is_of_no_use() -> None:
    served = loaded(NOW, NEW)

    assert not goes_on(loaded(NOW, OLD), served, now=NOW, interval_seconds=HOUR)
    assert not goes_on(loaded(NOW, NEW), served, now=NOW, interval_seconds=HOUR)
    assert goes_on(loaded(NOW, NEW), loaded(NOW, OLD), now=NOW, interval_seconds=HOUR)


def test_what_was_loaded_beside_a_stream_is_of_no_use_without_it() -> None:
    begun = checkpoint(NOW, of=lineage("20260802T000000Z-aaaa"), finished=False)

    assert not goes_on(begun, None, now=NOW, interval_seconds=HOUR)


# ---------------------------------------------------------------- what may replace what


def test_an_empty_file_replaces_nothing_unless_that_is_allowed() -> None:
    assert why_refused(0, 7, allow_empty=False) == "0 items were read, and what is served has 7"
    assert why_refused(0, 0, allow_empty=False) == "it is empty"
    assert why_refused(0, 7, allow_empty=True) is None
    assert why_refused(1, 7, allow_empty=False) is None


# ---------------------------------------------------------------- snapshots


def reason_for(newest: Newest | None, held: Checkpoint, settings: TriggerSettings) -> str | None:
    status = CaptureStatus(ready=True, checkpoint=held)
    return due(NOW, facts_since(newest, status, held), settings)


def published(held: Checkpoint, seconds_ago: float) -> Newest:
    return Newest.frozen(held, NOW - seconds_ago, 0)


def test_each_refresh_is_published_once() -> None:
    settings = TriggerSettings("refresh_complete")
    old, new = loaded(NOW - HOUR, OLD), loaded(NOW, NEW)

    assert reason_for(None, new, settings) == "first"
    assert reason_for(published(old, 5.0), new, settings) == "refresh_complete"
    assert reason_for(published(new, 5.0), new, settings) is None
    assert reason_for(published(new, 100 * HOUR), new, settings) is None


def test_a_time_interval_leaves_refreshes_out() -> None:
    settings = TriggerSettings("time_interval", 6 * HOUR)
    old, new = loaded(NOW - HOUR, OLD), loaded(NOW, NEW)

    assert reason_for(published(old, HOUR), new, settings) is None
    assert reason_for(published(old, 6 * HOUR), new, settings) == "time_interval"
    assert reason_for(published(new, 6 * HOUR), new, settings) is None


def test_a_snapshot_from_when_the_stream_was_followed_does_not_stand_for_a_refresh() -> None:
    followed = checkpoint(NOW - HOUR, of=lineage("20260801T000000Z-aaaa"))
    settings = TriggerSettings("time_interval", 6 * HOUR)

    assert reason_for(published(followed, 5.0), loaded(NOW), settings) == "first"
