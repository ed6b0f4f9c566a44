"""From a bucket to a file that answers its first query: `python -m benchmarks.restore`.

The same rows lie in the bucket as a snapshot of Snowmelt's file, as a plain file of one table, and
as that file compressed.
"""

from __future__ import annotations

from typing import Any

from benchmarks.kit import child
from benchmarks.kit.bucket import Place, make_place
from benchmarks.kit.command import Asked, Prepared, main
from benchmarks.kit.compare import CPU, MEMORY, Comparison, Metric, Role, Side

_ROWS, _QUICK_ROWS = 1_000_000, 200_000
_METRICS = (
    Metric("seconds", "seconds", digits=2),
    Metric("mb_per_second", "MB/s of its file", None),
    Metric("fetched_mib", "fetched MiB"),
    CPU,
    MEMORY,
)
_MIB = 1024 * 1024


def prepare(asked: Asked) -> Prepared:
    """Start the bucket, make the files, put them there in every form."""
    rows = asked.size or (_QUICK_ROWS if asked.quick else _ROWS)
    place = make_place(asked.store, asked.scratch)
    comparisons, sizes = [], {}
    for engine in asked.engines:
        common = {"engine": engine, "place": place}
        prepared: Any = child.run(
            "benchmarks.workload.files:prepare",
            {**common, "rows": rows, "changed": [], "directory": str(asked.scratch)},
        )
        state = prepared[0]
        sizes[engine] = child.run("benchmarks.workload.files:publish", {**common, "state": state})
        params = {**common, "scratch": str(asked.scratch)}
        sides = _sides(params, sizes[engine], state["digest"], place)
        comparisons.append(Comparison(engine, sides, _METRICS))
    store = "SeaweedFS" if place["endpoint"] else "directory"
    return Prepared({"rows": rows, "bytes": sizes, "store": store}, comparisons)


def _sides(
    params: dict[str, Any], sizes: dict[str, int], expected: str, place: Place
) -> tuple[Side, ...]:
    from benchmarks.sides.restore_ways import s5cmd_path

    ways: list[tuple[str, Role, str, str]] = [
        ("Snowmelt", "snowmelt", "snowmelt", "snapshot"),
        ("naive: boto3, plain file", "naive", "boto3_download", "raw"),
        ("competent: boto3, zstd", "competent", "boto3_zstd", "zstd"),
    ]
    if place["endpoint"]:
        ways.append(("s3fs, plain file", "tool", "s3fs_get", "raw"))
        if s5cmd_path():
            ways.append(("s5cmd, zstd", "tool", "s5cmd_zstd", "zstd"))
    return tuple(
        Side(
            name,
            role,
            f"benchmarks.sides.restore_ways:{function}",
            {**params, "measure": "bucket to first row", "fetched_mib": sizes[form] / _MIB},
            expected,
        )
        for name, role, function, form in ways
    )


if __name__ == "__main__":
    main("restore", prepare, rounds=5, quick_rounds=2)
