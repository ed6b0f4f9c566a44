"""Capture, from GetRecords over HTTP to committed rows: `python -m benchmarks.capture`.

One document for each engine. A table of a million rows follows changes of uniformly drawn items,
with the row law and durable commits, beside a naive and a competent simple way in the same run.
Those are so slow that they get fewer pages; what is compared is the rate. Every side's content is
compared with what the changes make of the table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.kit import child, facts
from benchmarks.kit.command import ENGINES, clean_environment, notify
from benchmarks.workload import canned, entries
from benchmarks.workload.pages import RECORDS_PER_PAGE, SHARDS, Pages, write_pages

_ROWS = 1_000_000
_PAGES, _QUICK_PAGES = 1_000, 100  # as many changes as rows: base is sorted anew on the way
_SIMPLE_PAGES = 40  # botocore's parser takes 0.2 s a page, whatever comes behind it
_NAIVE_PAGES = {"duckdb": 1, "sqlite": 5}  # a page takes DuckDB seconds, row by row


@dataclass(frozen=True, slots=True)
class _Side:
    name: str
    pages: int
    keyed: bool = False

    @property
    def module(self) -> str:
        return f"benchmarks.sides.capture_{self.name}"

    @property
    def filler(self) -> str:
        filler = self.module if self.name == "snowmelt" else "benchmarks.sides.capture_tables"
        return f"{filler}:fill"


def main() -> None:
    """Prepare in a scratch directory, run the sides in turn, print."""
    options = _parse()
    clean_environment()
    engines = (options.engine,) if options.engine else ENGINES
    is_ok = True
    with tempfile.TemporaryDirectory(prefix="snowmelt-capture-") as scratch, ExitStack() as ends:
        bench = _prepare(options, Path(scratch), ends)
        if options.decode:
            document = _decode(bench)
            print(json.dumps(document) if options.json else _text(document), flush=True)
            is_ok = document["digest_ok"]
        for engine in () if options.decode else engines:
            if options.reads:
                document = _reads(bench, engine)
            else:
                document = _measure(bench, engine, options.rounds or (1 if options.quick else 3))
            notify("")
            print(json.dumps(document) if options.json else _text(document), flush=True)
            is_ok &= document.get("digest_ok", True)
    if not is_ok:
        sys.exit("capture: a side's rows are not what the changes make of the table")


@dataclass(frozen=True, slots=True)
class _Bench:
    pages: Pages
    rows: int
    count: int
    scratch: Path
    endpoint: str


def _prepare(options: argparse.Namespace, scratch: Path, ends: ExitStack) -> _Bench:
    notify("preparing")
    count = options.size or (_QUICK_PAGES if options.quick else _PAGES)
    directory = scratch / "pages"
    directory.mkdir()
    contents_at = {count, *(min(count, at) for at in (_SIMPLE_PAGES, *_NAIVE_PAGES.values()))}
    pages = write_pages(directory, options.rows, count, contents_at=tuple(contents_at))
    endpoint = ends.enter_context(canned.serving(pages.files))
    return _Bench(pages, options.rows, count, scratch, endpoint)


def _measure(bench: _Bench, engine: str, rounds: int) -> dict[str, Any]:
    sides = [
        _Side("snowmelt", bench.count),
        _Side("naive", min(bench.count, _NAIVE_PAGES[engine]), keyed=True),
        _Side("competent", min(bench.count, _SIMPLE_PAGES), keyed=engine == "sqlite"),
    ]
    machine = facts.machine()
    runs: dict[str, list[dict[str, Any]]] = {side.name: [] for side in sides}
    for side in sides:
        notify(f"{engine}: filling the table of {side.name}")
        child.run(side.filler, _params(bench, engine, side))
    for number in range(rounds):
        for side in sides if number % 2 == 0 else sides[::-1]:
            notify(f"{engine}, round {number + 1} of {rounds}: {side.name}")
            runs[side.name].append(child.run(f"{side.module}:run", _params(bench, engine, side)))
    for side in sides:
        _file(bench, engine, side).unlink()
    return _document(bench, engine, sides, runs) | {"machine": machine, "rounds": rounds}


def _decode(bench: _Bench) -> dict[str, Any]:
    notify("decoding")
    found = child.run("benchmarks.sides.capture_decode:run", {"files": bench.pages.files})
    notify("")
    return {
        "benchmark": "capture, decode",
        "decode_rows_per_s": round(1e6 / found["decode_us"]),
        "decode_varied_rows_per_s": round(1e6 / found["varied_us"]),
        "parse_records_per_s": round(1e6 / found["parse_us"]),
        "decode_cpu_us_per_row": round(found["decode_us"], 2),
        "parse_cpu_us_per_record": round(found["parse_us"], 2),
        "distinct_in_batch": round(found["rows"] / found["records"], 3),
        "peak_rss_mb": round(found["peak_rss_mib"] * 1.048576),
        "records": found["records"],
        "record_bytes": bench.pages.record_bytes,
        "table_rows": bench.rows,
        "digest_ok": found["is_exact"],
        "machine": facts.machine(),
    }


def _reads(bench: _Bench, engine: str) -> dict[str, Any]:
    side = _Side("snowmelt", bench.count)
    params = _params(bench, engine, side)
    notify(f"{engine}: filling the table")
    child.run(side.filler, params)
    notify(f"{engine}: reading while 10,000 records a second come")
    found = child.run("benchmarks.sides.capture_reads:run", params)
    _file(bench, engine, side).unlink()
    ratio = found["aggregate_ratio"]
    return {
        "benchmark": "capture, reads",
        "engine": engine,
        "table_rows": bench.rows,
        "records": bench.count * RECORDS_PER_PAGE,
        "queryable_p50_ms": _percentile_ms(found["lags"], 50),
        "queryable_p99_ms": _percentile_ms(found["lags"], 99),
        "idle_queryable_p50_ms": _percentile_ms(found["idle_lags"], 50),
        "idle_queryable_p99_ms": _percentile_ms(found["idle_lags"], 99),
        "lookup_p50_ms": _percentile_ms(found["lookups"], 50),
        "lookup_p99_ms": _percentile_ms(found["lookups"], 99),
        "aggregate_ratio": None if ratio is None else round(ratio, 1),
        "peak_rss_mb": round(found["peak_rss_mib"] * 1.048576),
        "machine": facts.machine(),
    }


def _file(bench: _Bench, engine: str, side: _Side) -> Path:
    return bench.scratch / f"{side.name}.{engine}"


def _params(bench: _Bench, engine: str, side: _Side) -> dict[str, Any]:
    return {
        "engine": engine,
        "path": str(_file(bench, engine, side)),
        "rows": bench.rows,
        "pages": side.pages,
        "keyed": side.keyed,
        "endpoint": bench.endpoint,
        "scratch": str(bench.scratch),
    }


def _document(
    bench: _Bench, engine: str, sides: Sequence[_Side], runs: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    mine = runs["snowmelt"]
    rates = {name: _median(turns, "records_per_second") for name, turns in runs.items()}
    batches = [seconds for turn in mine for seconds in turn["batches"]]
    applies = [seconds for turn in mine for seconds in turn["applies"]]
    return {
        "benchmark": "capture",
        "engine": engine,
        "records_per_s": round(rates["snowmelt"]),
        "naive_records_per_s": round(rates["naive"]),
        "simple_records_per_s": round(rates["competent"]),
        "ratio": round(_ratio(mine, runs["naive"]), 1),
        "ratio_simple": round(_ratio(mine, runs["competent"]), 2),
        "batch_p50_ms": _percentile_ms(batches, 50),
        "batch_p99_ms": _percentile_ms(batches, 99),
        "apply_p50_ms": _percentile_ms(applies, 50),
        "apply_p99_ms": _percentile_ms(applies, 99),
        "peak_rss_mb": round(max(turn["peak_rss_mib"] for turn in mine) * 1.048576),
        "cpu_us_per_record": round(_median(mine, "cpu_us_per_record"), 1),
        "table_rows": bench.rows,
        "digest_ok": all(
            turn["content"] == _expected(bench, side) for side in sides for turn in runs[side.name]
        ),
        "records": {side.name: side.pages * RECORDS_PER_PAGE for side in sides},
        "batch_records": round(bench.count * RECORDS_PER_PAGE * len(mine) / len(applies)),
        "distinct_in_batch": round(min(turn["distinct"] for turn in mine), 3),
        "record_bytes": bench.pages.record_bytes,
        "mix_percent": dict(zip(("insert", "update", "delete"), entries.MIX, strict=True)),
        "shards": SHARDS,
    }


def _expected(bench: _Bench, side: _Side) -> Any:
    digest, misfits = bench.pages.contents[side.pages]
    return [digest, misfits] if side.name == "snowmelt" else digest


def _ratio(mine: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> float:
    """The median of the ratios turn by turn: a busy minute slows all sides of a turn alike."""
    pairs = zip(mine, theirs, strict=True)
    return float(
        statistics.median(
            one["records_per_second"] / other["records_per_second"] for one, other in pairs
        )
    )


def _median(turns: Sequence[dict[str, Any]], name: str) -> float:
    return float(statistics.median(turn[name] for turn in turns))


def _percentile_ms(seconds: Sequence[float], percent: int) -> float:
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000, 1)


def _text(document: dict[str, Any]) -> str:
    return "\n".join(_lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    what = f"{document['benchmark']}, {document['engine']}" if "engine" in document else "decode"
    yield f"{what}, {document['table_rows']:,} rows in the table"
    for name, value in document.items():
        if isinstance(value, int | float | bool):
            yield (
                f"  {name:22}{value:>12,}"
                if not isinstance(value, bool)
                else f"  {name:22}{value!s:>12}"
            )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capture")
    parser.add_argument("--quick", action="store_true", help="fewer records and one round")
    parser.add_argument("--json", action="store_true", help="JSON, one document a line")
    parser.add_argument("--engine", choices=ENGINES, help="this engine only")
    parser.add_argument("--rows", type=int, default=_ROWS, help="rows in the table before")
    parser.add_argument(
        "--reads", action="store_true", help="what readers get meanwhile, at 10,000 records/s"
    )
    parser.add_argument(
        "--decode", action="store_true", help="the decode alone, rows/s of a core by CPU time"
    )
    parser.add_argument("--rounds", type=int, help="turns of each side")
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)  # pages; for tests
    return parser.parse_args()


if __name__ == "__main__":
    main()
