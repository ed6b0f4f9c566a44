"""Snapshots of a live file: `python -m benchmarks.snapshot`.

A file of a million rows goes to a bucket: whole at first, then after 0.1 %, 1 % and 10 % of its
rows were changed. Beside the time and the bytes, how long the writer has to wait.
"""

from __future__ import annotations

from typing import Any

from benchmarks.kit import child
from benchmarks.kit.bucket import Place, make_place
from benchmarks.kit.command import Asked, Prepared, main
from benchmarks.kit.compare import CPU, MEMORY, Comparison, Metric, Side

_ROWS, _QUICK_ROWS = 1_000_000, 200_000
_SHARES = (0.001, 0.01, 0.1)
_MEASURES = ("first snapshot", *(f"after {share:.1%} of the rows changed" for share in _SHARES))
_STALL = "longest wait of a writer beside a full snapshot"
_METRICS = (
    Metric("stall_ms", "stall ms", digits=1),
    Metric("quiet_ms", "quiet ms", None),
    Metric("seconds", "seconds", digits=2),
    Metric("uploaded_mib", "uploaded MiB"),
    CPU,
    MEMORY,
)


def prepare(asked: Asked) -> Prepared:
    """Start the bucket, make the files."""
    rows = asked.size or (_QUICK_ROWS if asked.quick else _ROWS)
    place = make_place(asked.store, asked.scratch)
    states: dict[str, Any] = {
        engine: child.run(
            "benchmarks.workload.files:prepare",
            {
                "engine": engine,
                "rows": rows,
                "changed": _changed(rows),
                "directory": str(asked.scratch),
            },
        )
        for engine in asked.engines
    }
    parameters = {
        "rows": rows,
        "changed_rows": _changed(rows),
        "file_bytes": {engine: of[0]["bytes"] for engine, of in states.items()},
        "plain_file_bytes": {engine: of[0]["plain_bytes"] for engine, of in states.items()},
        "store": "SeaweedFS" if place["endpoint"] else "directory",
    }
    comparisons = [
        _comparison(engine, rows, of, place, str(asked.scratch)) for engine, of in states.items()
    ]
    return Prepared(parameters, comparisons)


def _changed(rows: int) -> list[int]:
    return [max(1, round(rows * share)) for share in _SHARES]


def _comparison(
    engine: str, rows: int, states: list[dict[str, Any]], place: Place, scratch: str
) -> Comparison:
    params = {
        "engine": engine,
        "rows": rows,
        "changed": _changed(rows),
        "states": states,
        "measures": _MEASURES,
        "stall_measure": _STALL,
        "place": place,
        "scratch": scratch,
    }
    expected = states[-1]["digest"]
    module = "benchmarks.sides.snapshot_whole"
    sides = (
        Side("Snowmelt", "snowmelt", "benchmarks.sides.snapshot_snowmelt:run", params, expected),
        Side("naive: stop, upload the file", "naive", f"{module}:naive", params, expected),
        Side("competent: copy, zstd, upload", "competent", f"{module}:competent", params, expected),
    )
    return Comparison(engine, sides, _METRICS)


if __name__ == "__main__":
    main("snapshot", prepare, rounds=3, quick_rounds=2)
