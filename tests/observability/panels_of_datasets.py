"""Panels about snapshots: publishing, cold starts, and edges that follow them."""

from __future__ import annotations

from tests.observability.grafana import Page, bars, histogram, series
from tests.observability.selecting import (
    BY_DATASET,
    BY_NODE,
    HOUR,
    fleet,
    follow,
    hourly,
    of_dataset,
    snapshot,
)


def snapshots(page: Page) -> None:
    """One row."""
    page.row("Snapshots")
    page.line(
        8,
        series(
            "Age of the newest",
            "And of the newest that was proven, and that a node published.",
            "s",
            (f"time() - {of_dataset('newest_timestamp')}", BY_DATASET),
            (f"time() - {of_dataset('proven_timestamp')}", f"proven, {BY_DATASET}"),
            (
                f"time() - {snapshot('write_timestamp')}",
                f"published by {{{{instance}}}}, {BY_DATASET}",
            ),
            steps=((None, "green"), (2 * HOUR, "orange"), (18 * HOUR, "red")),
        ),
        series(
            "Published and failed",
            "Each hour.",
            "short",
            (hourly(snapshot("write_total")), BY_NODE),
            (hourly(snapshot("failure_total")), f"failed, {BY_NODE}"),
        ),
        series("Duration", "Of the newest.", "ms", (snapshot("write_duration_ms"), BY_NODE)),
    )
    page.line(
        8,
        series(
            "Bytes",
            "That the newest added, and needs.",
            "bytes",
            (snapshot("write_bytes"), f"added, {BY_NODE}"),
            (snapshot("stored_bytes"), f"needed, {BY_NODE}"),
        ),
        series(
            "Why nothing is published",
            "By reason; empty is good.",
            "short",
            (f"{snapshot('held_reason')} == 1", f"{{{{reason}}}}, {BY_NODE}"),
            (f"{snapshot('held')} == 1", f"held, {BY_NODE}"),
        ),
        series(
            "Who publishes",
            "1 for the holder of the lease; generations grow with each change.",
            "short",
            (snapshot("lease_held"), f"lease, {BY_NODE}"),
            (f"{snapshot('fenced')} == 1", f"lost it, {BY_NODE}"),
            (f"changes({snapshot('generation')}[1h])", f"changes of generation, {BY_NODE}"),
        ),
    )
    page.line(
        8,
        series(
            "Faults",
            "That the last verification or drill found.",
            "short",
            (of_dataset("verified_faults"), BY_DATASET),
            steps=((None, "green"), (1, "red")),
        ),
        series(
            "Since the last look and the last prune",
            "A verification or drill; a prune by the node that publishes.",
            "s",
            (f"time() - {of_dataset('verified_timestamp')}", f"look, {BY_DATASET}"),
            (f"time() - {of_dataset('prune_timestamp')}", f"prune, {BY_DATASET}"),
        ),
        series(
            "Objects deleted",
            "Each hour.",
            "short",
            (hourly(snapshot("prune_deleted_total")), BY_NODE),
        ),
    )


def starts(page: Page) -> None:
    """One row."""
    page.row("Cold start")
    page.line(
        8,
        histogram(
            "The last cold start of each node",
            "Seconds until the file was live, over the fleet.",
            "s",
            (f"sum by (instance, dataset) ({snapshot('bootstrap_duration_ms')}) / 1000", BY_NODE),
        ),
        bars(
            "Its phases",
            "Mean over the fleet.",
            "ms",
            (f"avg by (phase) ({snapshot('bootstrap_duration_ms')})", "{{phase}}"),
        ),
        series("Fetched", "By the last restore.", "bytes", (snapshot("bootstrap_bytes"), BY_NODE)),
        series(
            "Refused",
            "Snapshots that the last cold start met and refused.",
            "short",
            (snapshot("bootstrap_rejected"), BY_NODE),
        ),
    )


def edges(page: Page) -> None:
    """One row."""
    page.row("Edges")
    page.line(
        8,
        series(
            "Age on edges",
            "Of what is served, and of the snapshot that followers should be at.",
            "s",
            (f"{follow('age_ms')} / 1000", BY_NODE),
            (f"max by (dataset) ({follow('newest_age_ms')}) / 1000", f"newest, {BY_DATASET}"),
        ),
        series(
            "Commits behind",
            "Between what is served and the newest.",
            "short",
            (follow("versions_behind"), BY_NODE),
        ),
        series(
            "Since the store answered",
            "And since the last look, and the last switch to a newer file.",
            "s",
            (f"time() - {follow('answered_timestamp')}", BY_NODE),
            (f"time() - {follow('looked_timestamp')}", f"look, {BY_NODE}"),
            (f"time() - {follow('switched_timestamp')}", f"switch, {BY_NODE}"),
        ),
    )
    page.line(
        8,
        series(
            "Looks of the fleet",
            "Each second; those that find nothing new are small.",
            "ops",
            (fleet(follow("looks_total")), BY_DATASET),
            (fleet(follow("unchanged_total")), f"nothing new, {BY_DATASET}"),
            (fleet(follow("switches_total")), f"switches, {BY_DATASET}"),
        ),
        series(
            "What came to nothing",
            "Each hour: looks and fetches that failed, snapshots that were refused; who is held.",
            "short",
            (hourly(follow("failures_total")), f"failed, {BY_NODE}"),
            (hourly(follow("rejected_total")), f"refused, {BY_NODE}"),
            (f"{follow('held')} == 1", f"held, {BY_NODE}"),
        ),
        series(
            "Bytes fetched and spared",
            "Each second over the fleet; spared are blocks that were on the disk already.",
            "bytes",
            (fleet(follow("bytes_fetched_total")), BY_DATASET),
            (fleet(follow("bytes_spared_total")), f"spared, {BY_DATASET}"),
        ),
    )
