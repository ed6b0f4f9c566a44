"""Bootstrap, from the pages of a Scan over HTTP to a loaded file: `python -m benchmarks.bootstrap`.

All sides ask the same server on loopback for the same recorded pages. Snowmelt reads the stream
beside it and keeps a checkpoint; the others only load. They get fewer pages, because they are slow:
what is compared is the rate and the CPU time of a row. `figures` has the issue's numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.kit.command import Asked, Prepared, main
from benchmarks.kit.compare import MEMORY, Comparison, Metric, Role, Side
from benchmarks.kit.tools import NotInstalled, Tool, tool
from benchmarks.workload import scan_server
from benchmarks.workload.scan_pages import ScanPages, write_scan_pages

_PAGES, _QUICK_PAGES = 100, 20
_OTHERS_PAGES = 12  # some 55,000 items: ten seconds and more
_MEASURE = "pages of a scan over HTTP to a loaded file"
_RATE, _CPU = "records_per_second", "cpu_us_per_record"
_METRICS = (
    Metric(_RATE, "rows/s", "higher", 0),
    Metric(_CPU, "CPU µs/row"),
    MEMORY,
)
# ingestr is a wheel that fetches a program from elsewhere; the releases that ran here were dlt.
_TOOLS = {"awswrangler": ("awswrangler", "duckdb"), "dlt": ("dlt[duckdb]", "boto3")}


def prepare(asked: Asked) -> Prepared:
    """Write the pages, start two tables, install the other programs."""
    count = asked.size or (_QUICK_PAGES if asked.quick else _PAGES)
    few = min(count, _OTHERS_PAGES)
    directory = asked.scratch / "pages"
    directory.mkdir()
    pages = write_scan_pages(directory, count)
    tools, missing = _installed() if asked.tools else ({}, dict.fromkeys(_TOOLS, "not asked for"))
    whole, part = (
        _asked_of(pages, number, asked) | {"scratch": str(asked.scratch)} for number in (count, few)
    )
    comparisons = [_comparison(engine, pages, whole, part, tools) for engine in asked.engines]
    parameters = {
        "rows": pages.rows[count],
        "rows_others": pages.rows[few],
        "pages": count,
        "page_bytes": pages.wire_bytes // count,
        "item_bytes": pages.wire_bytes // pages.rows[count],
        "tools": {name: each.version for name, each in tools.items()},
        "skipped": missing,
    }
    return Prepared(parameters, comparisons)


def figures(results: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One flat object for each engine; ratios say how many times less CPU a row takes."""
    for result in results:
        ours = result["sides"]["Snowmelt"]
        yield {
            "engine": result["comparison"],
            "rows_per_s": round(ours[_RATE]["median"]),
            "cpu_us_per_row": round(ours[_CPU]["median"], 1),
            "peak_rss_mb": round(ours["peak_rss_mib"]["median"]),
            **{
                f"ratio_cpu_{name.partition(':')[0]}": round(ratios[_CPU]["median"], 1)
                for name, ratios in result["ratios"].items()
            },
            "content_ok": result["same_content"],
        }


def _asked_of(pages: ScanPages, count: int, asked: Asked) -> dict[str, Any]:
    endpoint = asked.ends.enter_context(scan_server.serving(pages.files[:count], pages.rows[count]))
    return {"endpoint": endpoint, "rows": pages.rows[count], "pages": count, "measure": _MEASURE}


def _comparison(
    engine: str,
    pages: ScanPages,
    whole: dict[str, Any],
    part: dict[str, Any],
    tools: Mapping[str, Tool],
) -> Comparison:
    def side(
        name: str, role: Role, target: str, params: dict[str, Any], python: str = sys.executable
    ) -> Side:
        given, expected = {**params, "engine": engine}, pages.contents[params["pages"]]
        return Side(name, role, f"benchmarks.sides.{target}", given, expected, python)

    sides = [
        side("Snowmelt", "snowmelt", "bootstrap_snowmelt:run", whole),
        side("boto3: batches", "competent", "bootstrap_boto3:run", part),
    ]
    sides += [
        side(name, "tool", f"bootstrap_tools:{name}", part, each.python)
        for name, each in tools.items()
    ]
    return Comparison(engine, tuple(sides), _METRICS)


def _installed() -> tuple[dict[str, Tool], dict[str, str]]:
    """What can be installed, and why the rest cannot."""
    tools, missing = {}, {}
    for name, packages in _TOOLS.items():
        try:
            tools[name] = tool(name, *packages)
        except NotInstalled as error:
            missing[name] = str(error)
            print(f"{name} is left out: {error}", file=sys.stderr)
    return tools, missing


if __name__ == "__main__":
    main("bootstrap", prepare, rounds=3, quick_rounds=1, figures=figures)
