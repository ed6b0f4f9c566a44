"""A new node, by bootstrap and by restore: `python -m benchmarks.coldstart`.

The bootstrap reads 2 million items from the recorded pages of a Scan on loopback, which is faster
than any table gives them (`benchmarks.bootstrap`). The file that it makes is published, and then
restored from SeaweedFS, the page cache cold. `ratio` is bootstrap to restore with its fsync, which
a bootstrap does not wait for.
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
from benchmarks.workload import scan_server
from benchmarks.workload.scan_pages import ScanPages, write_scan_pages

_PAGES, _QUICK_PAGES = 437, 20  # 2 million items; 90,000
_MB = 1e6


def main() -> None:
    """Write the pages, bootstrap, publish, restore, print."""
    options = _parse()
    clean_environment()
    is_ok = True
    with tempfile.TemporaryDirectory(prefix="snowmelt-coldstart-") as scratch:
        count = options.size or (_QUICK_PAGES if options.quick else _PAGES)
        notify(f"writing {count} pages")
        folder = Path(scratch) / "pages"
        folder.mkdir()
        pages = write_scan_pages(folder, count)
        for engine in (options.engine,) if options.engine else ENGINES:
            document = _measured(options, engine, pages, count)
            notify("")
            print(json.dumps(document) if options.json else _text(document), flush=True)
            is_ok &= document["content_ok"]
    if not is_ok:
        sys.exit("coldstart: what was restored is not the table")


def _measured(
    options: argparse.Namespace, engine: str, pages: ScanPages, count: int
) -> dict[str, Any]:
    load = round(os.getloadavg()[0], 1)
    runs: dict[str, list[dict[str, Any]]] = {"bootstrap": [], "restored": []}
    with tempfile.TemporaryDirectory(prefix="snowmelt-coldstart-") as scratch:
        place = make_place(options.store, Path(scratch))
        params = {"engine": engine, "scratch": scratch, "place": place}
        for number in range(options.rounds):
            notify(f"{engine}, round {number + 1} of {options.rounds}: bootstrap")
            # The server holds all pages in memory, and would be in the way of the restore.
            with scan_server.serving(pages.files, pages.rows[count]) as endpoint:
                asked = {**params, "number": number, "endpoint": endpoint}
                runs["bootstrap"].append(child.run(_way("bootstrap"), asked))
            notify(f"{engine}, round {number + 1} of {options.rounds}: restore")
            runs["restored"].append(child.run(_way("restored"), {**params, "number": number}))
        store = "SeaweedFS" if place["endpoint"] else "directory"
    return {
        **_document(engine, pages, count, runs["bootstrap"], runs["restored"]),
        "store": store,
        "machine": facts.machine() | {"load": load},
    }


def _way(name: str) -> str:
    return f"benchmarks.sides.coldstart_ways:{name}"


def _document(
    engine: str,
    pages: ScanPages,
    count: int,
    loads: Sequence[Mapping[str, Any]],
    restores: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    pairs = list(zip(loads, restores, strict=True))
    whole = [float(slow["seconds"] / fast["seconds"]) for slow, fast in pairs]
    bare = [
        float(slow["seconds"] / (fast["seconds"] - fast["fsync_seconds"])) for slow, fast in pairs
    ]
    seconds = _median(loads, "seconds")
    return {
        "benchmark": "coldstart",
        "engine": engine,
        "items": pages.rows[count],
        "bootstrap_seconds": seconds,
        "bootstrap_rows_per_s": round(pages.rows[count] / seconds),
        "restore_seconds": _median(restores, "seconds"),
        "fsync_seconds": _median(restores, "fsync_seconds"),
        "ratio": round(statistics.median(whole), 1),
        "ratio_without_fsync": round(statistics.median(bare), 1),
        "file_mb": round(loads[0]["file_bytes"] / _MB, 1),
        "snapshot_mb": round(loads[0]["snapshot_bytes"] / _MB, 1),
        "phases": restores[-1]["phases"],
        "bootstrap_peak_rss_mb": round(max(run["peak_rss_mib"] for run in loads) * 1.048576),
        "restore_peak_rss_mb": round(max(run["peak_rss_mib"] for run in restores) * 1.048576),
        "content_ok": restores[0]["content"] == pages.contents[count],
        "cold_by": restores[0]["cold_by"],
        "rounds": len(loads),
    }


def _median(runs: Sequence[Mapping[str, Any]], name: str) -> float:
    return round(float(statistics.median(run[name] for run in runs)), 3)


def _text(document: Mapping[str, Any]) -> str:
    lines = [f"cold start, {document['engine']}, {document['items']:,} items"]
    for name, value in document.items():
        if isinstance(value, int | float):
            lines.append(f"  {name:24}{value!s:>32}")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coldstart")
    parser.add_argument("--quick", action="store_true", help="a smaller table")
    parser.add_argument("--json", action="store_true", help="JSON, one document a line")
    parser.add_argument("--engine", choices=ENGINES, help="this engine only")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each side")
    parser.add_argument(
        "--store", choices=("s3", "file"), default="s3", help="where snapshots go (s3: SeaweedFS)"
    )
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)  # pages; for tests
    return parser.parse_args()


if __name__ == "__main__":
    main()
