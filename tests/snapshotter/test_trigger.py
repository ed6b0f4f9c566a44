"""When a snapshot is due."""

from typing import Any

import pytest

from snapshotter.trigger import TriggerFacts, TriggerSettings, due, next_look


def facts(**changes: Any) -> TriggerFacts:
    return TriggerFacts(**{"ready": True, "last_at": 1000.0, **changes})


EVERY_2_MIN = TriggerSettings("time_interval", 120)


def test_nothing_is_due_before_ready() -> None:
    assert due(9e9, facts(ready=False, last_at=None, batches=9, advanced=True), EVERY_2_MIN) is None


@pytest.mark.parametrize("kind", ["time_interval", "stream_batches", "refresh_complete"])
def test_the_first_snapshot_is_due_right_after_ready(kind: Any) -> None:
    assert due(0.0, facts(last_at=None), TriggerSettings(kind, 100)) == "first"


def test_a_time_interval_is_due_when_it_is_over_and_something_changed() -> None:
    assert due(1119.9, facts(batches=1, advanced=True), EVERY_2_MIN) is None
    assert due(1120.0, facts(batches=1, advanced=True), EVERY_2_MIN) == "time_interval"
    assert due(1120.0, facts(batches=0, advanced=True), EVERY_2_MIN) is None


def test_the_policy_always_does_not_ask_for_changes() -> None:
    always = TriggerSettings("time_interval", 120, creation="always")

    assert due(1120.0, facts(advanced=True), always) == "time_interval"


def test_the_policy_always_does_not_publish_the_same_state_again() -> None:
    always = TriggerSettings("time_interval", 120, creation="always")

    assert due(9e9, facts(advanced=False), always) is None
    assert next_look(1010.0, facts(advanced=False), always) is None
    assert next_look(1010.0, facts(advanced=True), always) == 1120.0


def test_batches_are_counted() -> None:
    settings = TriggerSettings("stream_batches", 10)

    assert due(1001.0, facts(batches=9), settings) is None
    assert due(1001.0, facts(batches=10), settings) == "stream_batches"


def test_a_finished_refresh_is_due_at_once() -> None:
    settings = TriggerSettings("refresh_complete")

    assert due(1001.0, facts(batches=99), settings) is None
    assert due(1001.0, facts(refreshes=1), settings) == "refresh_complete"


@pytest.mark.parametrize("kind", ["time_interval", "stream_batches", "refresh_complete"])
def test_an_idle_table_is_renewed_hourly_if_its_checkpoint_advanced(kind: Any) -> None:
    settings = TriggerSettings(kind, 120)

    assert due(4599.0, facts(advanced=True), settings) is None
    assert due(4600.0, facts(advanced=True), settings) == "renewal"
    assert due(4600.0, facts(advanced=False), settings) is None


def test_a_failed_attempt_delays_the_next_one() -> None:
    waiting = facts(batches=1, not_before=1500.0)

    assert due(1499.0, waiting, EVERY_2_MIN) is None
    assert due(1500.0, waiting, EVERY_2_MIN) == "time_interval"


def test_the_next_look_is_when_waiting_alone_suffices() -> None:
    assert next_look(1010.0, facts(batches=1, advanced=True), EVERY_2_MIN) == 1120.0
    assert next_look(1010.0, facts(advanced=True), EVERY_2_MIN) == 4600.0
    assert next_look(1010.0, facts(), EVERY_2_MIN) is None
    assert next_look(1010.0, facts(last_at=None), EVERY_2_MIN) == 1010.0
    assert next_look(1010.0, facts(ready=False), EVERY_2_MIN) is None
    assert next_look(1010.0, facts(last_at=None, not_before=1020.0), EVERY_2_MIN) == 1020.0


def test_a_threshold_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        TriggerSettings("stream_batches", 0)
