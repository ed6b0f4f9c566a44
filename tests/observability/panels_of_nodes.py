"""Panels about nodes: are they well, do they follow their stream, have they room."""

from __future__ import annotations

from tests.observability.grafana import Page, series, stat, table
from tests.observability.selecting import (
    BUILDS,
    BY_DATASET,
    BY_NODE,
    DAY,
    HOUR,
    dynamodb,
    hourly,
    of_dataset,
    rate,
    snapshot,
    stream,
    with_a_stream,
)


def now(page: Page) -> None:
    """One row."""
    until = with_a_stream(dynamodb("resumable_until_timestamp_seconds"))
    page.row("Now")
    page.line(
        4,
        stat(
            "Nodes ready",
            "Nodes that are caught up and answer, of those that have the dataset.",
            f"sum({dynamodb('ready')}) / count({dynamodb('ready')})",
            "percentunit",
            ((None, "red"), (1, "green")),
        ),
        stat(
            "Nodes stale",
            "Older than promised: by a minute on nodes with a stream, by max_staleness on edges.",
            f"sum({dynamodb('stale')})",
            "short",
            ((None, "green"), (1, "orange")),
        ),
        stat(
            "Lag, the worst",
            "Age of the oldest change that may be missing, on nodes that follow the stream.",
            f"max({with_a_stream(stream('lag_ms'))})",
            "ms",
            ((None, "green"), (60_000, "orange"), (600_000, "red")),
        ),
        stat(
            "Resumable for",
            "Until the stream forgets what the oldest file has not read: 6 h is an age of 18 h.",
            f"min({until}) - time()",
            "s",
            ((None, "red"), (2 * HOUR, "orange"), (6 * HOUR, "green")),
        ),
        stat(
            "Newest snapshot",
            "Its age, of the dataset whose is the oldest; an idle table has one an hour.",
            f"max(time() - {of_dataset('newest_timestamp')})",
            "s",
            ((None, "green"), (2 * HOUR, "orange"), (18 * HOUR, "red")),
        ),
        stat(
            "Newest proven",
            "Age of the newest snapshot that a drill restored and read, the worst of all datasets.",
            f"max(time() - {of_dataset('proven_timestamp')})",
            "s",
            ((None, "green"), (2 * DAY, "orange")),
        ),
        stat(
            "Publishers",
            "Nodes that hold the lease of a dataset: one for each.",
            f"sum({snapshot('lease_held')})",
            "short",
            ((None, "red"), (1, "green")),
        ),
        stat(
            "Trouble",
            "Nodes that say that something is wrong.",
            f"count({dynamodb('problem')}) or vector(0)",
            "short",
            ((None, "green"), (1, "red")),
        ),
    )


def nodes(page: Page) -> None:
    """One row."""
    page.row("Nodes")
    page.line(
        8,
        table(
            "What is wrong",
            "The exit code that says what; docs/runbook.md has an entry for each.",
            dynamodb("problem"),
            ("Time", "Value", "__name__", "job"),
        ),
        series(
            "Nodes by state",
            "As in the status.",
            "short",
            (f"count by (state) ({dynamodb('state')})", "{{state}}"),
            stacked=True,
        ),
        series(
            "Nodes by version",
            "A roll-out, as it goes.",
            "short",
            (
                f"count by (version) ({BUILDS})",
                "{{version}}",
            ),
            stacked=True,
        ),
    )


def streams(page: Page) -> None:
    """One row."""
    by_attribute = f"sum by (dataset, attribute) ({hourly(dynamodb('attribute_misfits_total'))})"
    page.row("Stream")
    page.line(
        8,
        series(
            "Lag",
            "Age of the oldest change that may be missing. On an edge: of the snapshot's data.",
            "ms",
            (stream("lag_ms"), BY_NODE),
        ),
        series(
            "Age of the checkpoint",
            "Compared with 18 h and 22 h of the stream's day.",
            "s",
            (f"{stream('checkpoint_age_ms')} / 1000", BY_NODE),
            steps=((None, "green"), (18 * HOUR, "orange"), (22 * HOUR, "red")),
        ),
        series(
            "Records",
            "Committed each second.",
            "ops",
            (rate(stream("records_total")), BY_NODE),
            (rate(dynamodb("ttl_deletes_total")), f"by time to live, {BY_NODE}"),
        ),
    )
    page.line(
        8,
        series(
            "Errors",
            "Each minute: those that were retried, and all.",
            "short",
            (rate(dynamodb("errors_transient_total"), 60), f"retried, {BY_NODE}"),
            (rate(stream("errors_total"), 60), BY_NODE),
        ),
        series("Shards", "That are being read.", "short", (stream("shard_count"), BY_NODE)),
        series(
            "Rows and commits",
            "Items, and commits a second.",
            "short",
            (dynamodb("rows"), f"rows, {BY_NODE}"),
            (rate(dynamodb("version")), f"commits, {BY_NODE}"),
        ),
    )
    page.line(
        8,
        series(
            "Values without a column",
            "Each hour, by attribute: exact in _rest, NULL in SQL.",
            "short",
            (f"topk(10, {by_attribute})", "{{dataset}} {{attribute}}"),
            (f"sum by (dataset) ({hourly(dynamodb('misfits_total'))})", f"all, {BY_DATASET}"),
        ),
        series(
            "Quarantine",
            "Records that could not be decoded.",
            "short",
            (dynamodb("quarantined_records"), BY_NODE),
            steps=((None, "green"), (1, "red")),
        ),
        series(
            "A load of the table",
            "Rows so far, rows a second, and seconds until the scan ends.",
            "short",
            (dynamodb("bootstrap_rows"), f"rows, {BY_NODE}"),
            (dynamodb("bootstrap_rows_per_second"), f"rows a second, {BY_NODE}"),
            (dynamodb("bootstrap_eta_seconds"), f"seconds left, {BY_NODE}"),
        ),
    )


def disks(page: Page) -> None:
    """One row."""
    page.row("Disk")
    page.line(
        8,
        series(
            "Free", "On the volume of the file.", "bytes", (dynamodb("disk_free_bytes"), BY_NODE)
        ),
        series(
            "The file",
            "What it takes of the disk, and how long it is.",
            "bytes",
            (dynamodb("disk_bytes"), f"takes, {BY_NODE}"),
            (dynamodb("file_bytes"), f"length, {BY_NODE}"),
        ),
        series("The engine's log", "Beside the file.", "bytes", (dynamodb("wal_bytes"), BY_NODE)),
    )


def others(page: Page) -> None:
    """One row."""
    page.row("Other ways to follow a table")
    page.line(
        8,
        series(
            "Kinesis: dropped",
            "Changes a minute that came again, or behind newer ones.",
            "short",
            (rate(dynamodb("duplicates_dropped_total"), 60), f"again, {BY_NODE}"),
            (rate(dynamodb("late_dropped_total"), 60), f"late, {BY_NODE}"),
        ),
        series(
            "Kinesis: changes of one time",
            "A minute, by what told their order.",
            "short",
            (rate(dynamodb("ties_by_images_total"), 60), f"images, {BY_NODE}"),
            (rate(dynamodb("ties_by_table_total"), 60), f"the table, {BY_NODE}"),
        ),
        series(
            "Without a stream",
            "Seconds since the data was read; refreshes an hour, and those that failed.",
            "short",
            (f"{dynamodb('data_age_ms')} / 1000", f"age, {BY_NODE}"),
            (hourly(dynamodb("refreshes_total")), f"refreshes, {BY_NODE}"),
            (hourly(dynamodb("refresh_failures_total")), f"failed, {BY_NODE}"),
        ),
    )
