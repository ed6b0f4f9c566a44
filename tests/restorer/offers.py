"""Pointers, local files and facts for tests of the decision, said in hours of age."""

from __future__ import annotations

from typing import Any

from cdc.checkpoint import MARGIN_SECONDS, RETENTION_SECONDS, Lineage
from restorer.facts import Candidate, Facts, LocalFile, Published

NOW = 1_780_000_000.0
HOUR = 3600.0
LINEAGE = Lineage("pipelines", "table-1", "arn:stream-1", "20260601T000000Z-0a1b")
OTHER_EPOCH = Lineage("pipelines", "table-1", "arn:stream-1", "20260602T000000Z-0a1b")


def until(age_hours: float) -> float:
    """The horizon of a checkpoint that has this age now."""
    return NOW + RETENTION_SECONDS - MARGIN_SECONDS - age_hours * HOUR


def candidate(version: int, age_hours: float = 1.0, **changes: Any) -> Candidate:
    """A snapshot of 100 MB (60 MB stored), created as many hours ago as it is old."""
    fields: dict[str, Any] = {
        "snapshot_id": f"000001-{version:012d}-20260601T000000000Z",
        "lineage_id": LINEAGE.id,
        "generation": 1,
        "version": version,
        "created_at": NOW - age_hours * HOUR,
        "resumable_until": until(age_hours),
        "engine": "duckdb",
        "storage_version": "v1.5.0",
        "row_count": 1000,
        "file_bytes": 100_000_000,
        "stored_bytes": 60_000_000,
    }
    return Candidate(**{**fields, **changes})


def published(*candidates: Candidate, **changes: Any) -> Published:
    """A pointer whose newest snapshot is current."""
    fields: dict[str, Any] = {
        "candidates": candidates,
        "current": candidates[0].snapshot_id if candidates else None,
        "lineage_id": LINEAGE.id if candidates else None,
    }
    return Published(**{**fields, **changes})


def local(version: int, age_hours: float = 1.0, **changes: Any) -> LocalFile:
    """A complete file of the usual lineage."""
    fields: dict[str, Any] = {
        "exists": True,
        "lineage": LINEAGE,
        "generation": 1,
        "version": version,
        "resumable_until": until(age_hours),
        "is_complete": True,
    }
    return LocalFile(**{**fields, **changes})


def facts(**changes: Any) -> Facts:
    """Plenty of space, 60 MB/s, a table of 40,000 read units."""
    fields: dict[str, Any] = {
        "now": NOW,
        "free_bytes": 10**12,
        "throughput_bytes_per_second": 60e6,
        "bootstrap_read_units": 40_000.0,
    }
    return Facts(**{**fields, **changes})
