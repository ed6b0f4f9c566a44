"""A restore over a stale file, after 1 % of the rows changed: `python -m benchmarks.seeded`.

A node was restored from a snapshot; then one row in a hundred was changed, spread over all keys,
and a newer snapshot was published. One document for each engine: what the node fetches for the
newer one, and how long it takes, beside a node that has nothing. All begin with a cold page cache;
of one more the stale file is in it, as where a pod is made anew on its node. Time is without fsync.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.kit import child, facts
from benchmarks.kit.bucket import make_place
from benchmarks.kit.command import ENGINES, clean_environment, notify

_ROWS = {"duckdb": 12_000_000, "sqlite": 4_000_000}  # a gigabyte
_QUICK_ROWS = 500_000
_CHANGED_SHARE = 0.01
_WAYS = ("seeded", "seeded_cached", "unseeded")
_MB = 1e6


def main() -> None:
    """Prepare in a scratch directory, restore both ways in turn, print."""
    options = _parse()
    clean_environment()
    is_ok = True
    for engine in (options.engine,) if options.engine else ENGINES:
        with tempfile.TemporaryDirectory(prefix="snowmelt-seeded-") as scratch:
            document = _measured(options, engine, Path(scratch))
        notify("")
        print(json.dumps(document) if options.json else _text(document), flush=True)
        is_ok &= document["content_ok"]
    if not is_ok:
        sys.exit("seeded: what was restored is not what was published")


def _measured(options: argparse.Namespace, engine: str, scratch: Path) -> dict[str, Any]:
    rows = options.size or (_QUICK_ROWS if options.quick else _ROWS[engine])
    load = round(os.getloadavg()[0], 1)
    notify(f"{engine}: preparing {rows:,} rows")
    place = make_place(options.store, scratch)
    made = {"engine": engine, "rows": rows, "directory": str(scratch), "keep": not options.size}
    params: dict[str, Any] = {
        "engine": engine,
        "rows": rows,
        "place": place,
        "scratch": str(scratch),
        "changed_share": _CHANGED_SHARE,
        "verify": options.quick or bool(options.size),  # takes minutes of a large file
        **child.run("benchmarks.workload.large:prepare", made),
    }
    params |= child.run("benchmarks.sides.seeded_ways:prepare", params)
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in _WAYS}
    for number in range(options.rounds):
        for way in _WAYS if number % 2 == 0 else _WAYS[::-1]:
            notify(f"{engine}, round {number + 1} of {options.rounds}: {way}")
            runs[way].append(child.run(f"benchmarks.sides.seeded_ways:{way}", params))
    machine = facts.machine() | {"load": load}
    return _document(params, runs) | {"machine": machine}


def _document(
    params: Mapping[str, Any], runs: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    seeded, cached, unseeded = (runs[way] for way in _WAYS)
    return {
        "benchmark": "seeded",
        "engine": params["engine"],
        "file_mb": round(params["live_bytes"] / _MB, 1),
        "changed_rows": params["changed_rows"],
        "uploaded_mb": round(params["uploaded_bytes"] / _MB, 2),
        "fetched_mb": round(seeded[0]["fetched_bytes"] / _MB, 2),
        "unseeded_fetched_mb": round(unseeded[0]["fetched_bytes"] / _MB, 2),
        "fetched_ratio": round(seeded[0]["fetched_bytes"] / unseeded[0]["fetched_bytes"], 4),
        "seconds": _median(seeded, "seconds"),
        "cached_seconds": _median(cached, "seconds"),
        "unseeded_seconds": _median(unseeded, "seconds"),
        "times_faster": _faster(seeded, unseeded),
        "times_faster_cached": _faster(cached, unseeded),
        "fsync_seconds": _median(seeded, "fsync_seconds"),
        "unseeded_fsync_seconds": _median(unseeded, "fsync_seconds"),
        "cpu_seconds": _median(seeded, "cpu_seconds"),
        "unseeded_cpu_seconds": _median(unseeded, "cpu_seconds"),
        "peak_rss_mb": round(max(run["peak_rss_mib"] for run in seeded) * 1.048576),
        "requests": seeded[-1]["requests"],
        "phases": seeded[-1]["phases"],
        "unseeded_phases": unseeded[-1]["phases"],
        "table_rows": params["rows"],
        "content_ok": all(run["content_ok"] for run in (*seeded, *cached, *unseeded)),
        "cold_by": seeded[0]["cold_by"],
        "rounds": len(seeded),
        "store": "SeaweedFS" if params["place"]["endpoint"] else "directory",
    }


def _faster(ours: Sequence[Mapping[str, Any]], bare: Sequence[Mapping[str, Any]]) -> float:
    pairs = zip(ours, bare, strict=True)
    return round(statistics.median(float(b["seconds"] / a["seconds"]) for a, b in pairs), 2)


def _median(runs: Sequence[Mapping[str, Any]], name: str) -> float:
    return round(float(statistics.median(run[name] for run in runs)), 3)


def _text(document: Mapping[str, Any]) -> str:
    lines = [f"seeded restore, {document['engine']}, {document['table_rows']:,} rows"]
    for name, value in document.items():
        if isinstance(value, int | float):
            lines.append(f"  {name:24}{value!s:>32}")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeded")
    parser.add_argument("--quick", action="store_true", help="a smaller file, its rows compared")
    parser.add_argument("--json", action="store_true", help="JSON, one document a line")
    parser.add_argument("--engine", choices=ENGINES, help="this engine only")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each side")
    parser.add_argument(
        "--store", choices=("s3", "file"), default="s3", help="where snapshots go (s3: SeaweedFS)"
    )
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)  # rows; for tests
    return parser.parse_args()


if __name__ == "__main__":
    main()
