"""The page of promises says what the code and the manual say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdc.accelerator import QueryLimits
from cdc.capture_status import CaptureSettings
from cdc.column_rules import ColumnRules
from cdc.listing import CALLS_PER_SECOND
from snapshotter.independence import FULL_EVERY_SECONDS
from snowmelt.config_snapshots import SnapshotsSection
from snowmelt.preflight.table import READERS_OF_A_SHARD
from snowmelt.wiring import _DEFAULT_THRESHOLDS

DOCS = Path(__file__).parents[2] / "docs"
PROMISES = (DOCS / "promises.md").read_text()
MANUAL = (DOCS / "operating.md").read_text()


def row(first: str) -> str:
    """The row of a table that begins with this cell."""
    (found,) = re.findall(rf"^\| {re.escape(first)} \|.*$", PROMISES, re.MULTILINE)
    return str(found)


def test_the_bound_of_an_erasure_is_the_manuals_and_the_defaults() -> None:
    (bound,) = re.findall(r"<!-- erasure -->\n```\n(.*)\n```", PROMISES)

    assert bound in MANUAL
    grace = SnapshotsSection.model_fields["prune_grace"].default
    kept = max(7 * 86_400.0, FULL_EVERY_SECONDS)  # keep_for: 7d
    hours = (FULL_EVERY_SECONDS + kept + grace) / 3600 + 2
    assert "15 days and 2 hours by default, with keep_for: 7d" in bound
    assert hours == 15 * 24 + 2


def test_limits_are_those_of_the_code() -> None:
    limits, settings = QueryLimits(), CaptureSettings()

    told = f"{limits.rows:,} rows, {limits.result_bytes // 2**20} MiB, {limits.seconds:g} s"
    assert told in row("a result of SQL")
    assert f"{ColumnRules().budget} by default" in row("columns")
    assert READERS_OF_A_SHARD == 2
    assert CALLS_PER_SECOND == 5
    assert "takes five at most" in row("DescribeStream")
    assert "two processes a shard" in row("readers of a stream")
    assert f"{settings.in_flight_bytes // 2**20} MiB of pages" in row("a node's memory")


def test_the_age_of_reads_is_that_of_the_default_settings() -> None:
    assert _DEFAULT_THRESHOLDS["time_interval"] == "10m"
    assert "10 min + 60 s" in row("follows snapshots")


@pytest.mark.parametrize("page", ["promises.md", "cost.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", (DOCS / page).read_text()):
        name, _, anchor = target.partition("#")
        file = DOCS / name if name else DOCS / page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, target
