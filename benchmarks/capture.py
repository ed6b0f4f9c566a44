"""Capture, from GetRecords bodies to committed rows: `python -m benchmarks.capture`.

Two figures for each engine: bodies on disk to rows (parsing, decoding, storing), and the same end
to end over HTTP against a stream on loopback. The naive way is so slow that it gets fewer pages;
what is compared is the rate.
"""

from __future__ import annotations

from typing import Any

from benchmarks.kit.command import Asked, Prepared, main
from benchmarks.kit.compare import MEMORY, Comparison, Metric, Role, Side
from benchmarks.workload import canned
from benchmarks.workload.pages import RECORDS_PER_PAGE, SHARDS, Pages, write_pages

_PAGES, _QUICK_PAGES = 100, 20
_BOTO3_PAGES = 20  # botocore's parser takes 0.2 s a page, whatever comes behind it
_NAIVE_PAGES = {"duckdb": 1, "sqlite": 5}  # a page takes DuckDB seconds, row by row
_METRICS = (
    Metric("records_per_second", "records/s", "higher", 0),
    Metric("cpu_us_per_record", "CPU µs/record", digits=0),
    MEMORY,
)
_BACKLOG_PAGES = 20  # what capture puts into one commit when it has fallen behind


def prepare(asked: Asked) -> Prepared:
    """Write the pages, start the stream."""
    count = asked.size or (_QUICK_PAGES if asked.quick else _PAGES)
    naive = {engine: min(count, pages) for engine, pages in _NAIVE_PAGES.items()}
    boto3 = min(count, _BOTO3_PAGES)
    directory = asked.scratch / "pages"
    directory.mkdir()
    pages = write_pages(directory, count, digests_at=(*naive.values(), boto3, count))
    endpoint = asked.ends.enter_context(canned.serving(pages.files))
    common = {"scratch": str(asked.scratch), "endpoint": endpoint}
    comparisons = [
        comparison
        for engine in asked.engines
        for comparison in (
            _wire(pages, naive[engine], {**common, "engine": engine}),
            _over_http(pages, naive[engine], boto3, {**common, "engine": engine}),
        )
    ]
    parameters = {
        "records": count * RECORDS_PER_PAGE,
        "records_naive": {engine: pages * RECORDS_PER_PAGE for engine, pages in naive.items()},
        "records_boto3": boto3 * RECORDS_PER_PAGE,
        "image_bytes": pages.image_bytes,
        "page_bytes": pages.page_bytes,
        "shards": SHARDS,
        "backlog_pages_per_commit": _BACKLOG_PAGES,
    }
    return Prepared(parameters, comparisons)


def _wire(pages: Pages, naive: int, params: dict[str, Any]) -> Comparison:
    params = {**params, "measure": "bodies on disk to committed rows"}
    sides = (
        _side("Snowmelt", "snowmelt", "wire", pages, {**params, "pages_per_commit": 1}),
        _side(
            f"Snowmelt, {_BACKLOG_PAGES} pages a commit",
            "snowmelt",
            "wire",
            pages,
            {**params, "pages_per_commit": _BACKLOG_PAGES},
        ),
        _side("naive: boto3, row by row", "naive", "wire", pages, params, naive),
        _side("competent: msgspec, batches", "competent", "wire", pages, params),
    )
    return Comparison(params["engine"], sides, _METRICS)


def _over_http(pages: Pages, naive: int, boto3: int, params: dict[str, Any]) -> Comparison:
    params = {**params, "measure": "end to end over HTTP"}
    sides = (
        _side("Snowmelt", "snowmelt", "over_http", pages, params),
        _side("naive: boto3, row by row", "naive", "over_http", pages, params, naive),
        _side("competent: boto3, batches", "competent", "over_http", pages, params, boto3),
    )
    return Comparison(params["engine"], sides, _METRICS)


def _side(
    name: str,
    role: Role,
    function: str,
    pages: Pages,
    params: dict[str, Any],
    count: int | None = None,
) -> Side:
    count = count or len(pages.files)
    target = f"benchmarks.sides.capture_{role}:{function}"
    return Side(name, role, target, {**params, "files": pages.files[:count]}, pages.digests[count])


if __name__ == "__main__":
    main("capture", prepare, rounds=5, quick_rounds=2)
