"""Ages of a stream that keeps its records for longer than a day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from restorer.facts import LocalFile, Policy
from restorer.judging import age_of
from snowmelt.config import Config
from snowmelt.wiring import wire

HOUR = 3600.0
NOW = 1_800_000_000.0


def policy(days: float, tmp_path: Path, **params: Any) -> Policy:
    config = Config.model_validate(
        {
            "version": "v1",
            "runtime": {"data_dir": str(tmp_path)},
            "datasets": [{"from": "kinesis:routes", "name": "routes", "params": params}],
        }
    )
    return wire(config, config.datasets[0]).policy(retention_seconds=days * 24 * HOUR)


def proven(hours_ago: float, days: float) -> LocalFile:
    """A file whose stream keeps records so many days, proven complete so many hours ago."""
    margin_seconds = 300.0
    until = NOW - hours_ago * HOUR + days * 24 * HOUR - margin_seconds
    return LocalFile(exists=True, resumable_until=until)


@pytest.mark.parametrize(
    "hours, expected",
    [(1, "fresh"), (125, "fresh"), (127, "near_expired"), (167, "near_expired"), (168, "expired")],
)
def test_thresholds_that_are_not_configured_grow_with_the_retention(
    tmp_path: Path, hours: float, expected: str
) -> None:
    age, seconds = age_of(proven(hours, days=7), NOW, policy(7, tmp_path))

    assert (age, seconds) == (expected, hours * HOUR)


def test_thresholds_that_are_configured_hold_whatever_the_retention(tmp_path: Path) -> None:
    given = policy(7, tmp_path, near_expired_after="10h", expired_after="20h")

    ages = [age_of(proven(hours, days=7), NOW, given)[0] for hours in (9, 11, 21)]

    assert ages == ["fresh", "near_expired", "expired"]


def test_without_the_retention_ages_err_towards_the_horizon(tmp_path: Path) -> None:
    """The service does not answer, so a file counts from a day before its end."""
    unknown = policy(1, tmp_path)

    ages = [age_of(proven(hours, days=7), NOW, unknown)[0] for hours in (1, 161, 163, 168)]

    assert ages == ["fresh", "fresh", "near_expired", "expired"]
