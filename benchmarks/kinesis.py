"""A stream without order, from GetRecords' bytes to exact rows: `python -m benchmarks.kinesis`.

CPU time of a core for each change: its document parsed, sifted by stamps, its image decoded. No
other way runs beside: what is measured is what a Kinesis stream costs more than DynamoDB's own,
whose parse and decode `python -m benchmarks.capture --decode` measures with the same items.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.kit import child, facts
from benchmarks.kit.command import ENGINES, clean_environment, notify
from benchmarks.workload.envelopes import write_pages

_ROWS = 1_000_000
_PAGES, _QUICK_PAGES = 240, 80


def main() -> None:
    """Prepare in a scratch directory, run, print a document for each engine."""
    options = _parse()
    clean_environment()
    pages = options.size or (_QUICK_PAGES if options.quick else _PAGES)
    is_ok = True
    with tempfile.TemporaryDirectory(prefix="snowmelt-kinesis-") as scratch:
        notify("preparing")
        envelopes = write_pages(Path(scratch), options.rows, pages)
        for engine in (options.engine,) if options.engine else ENGINES:
            notify(f"{engine}: sifting")
            params = {"files": envelopes.files, "scratch": scratch, "engine": engine}
            found = child.run("benchmarks.sides.kinesis_sift:run", params)
            notify("")
            document = _document(found, engine, options.rows, envelopes.document_bytes)
            print(json.dumps(document) if options.json else _text(document), flush=True)
            is_ok &= document["digest_ok"]
    if not is_ok:
        sys.exit("kinesis: rows are not the newest items of the changes")


def _document(found: dict[str, Any], engine: str, rows: int, document_bytes: int) -> dict[str, Any]:
    return {
        "benchmark": "kinesis",
        "engine": engine,
        "sift_and_decode_cpu_us_per_record": round(found["sift_us"] + found["decode_us"], 2),
        "parse_cpu_us_per_record": round(found["parse_us"], 2),
        "sift_cpu_us_per_record": round(found["sift_us"], 2),
        "decode_cpu_us_per_record": round(found["decode_us"], 2),
        "records": found["records"],
        "batch_records": found["batch_records"],
        "document_bytes": document_bytes,
        "duplicates": found["duplicates"],
        "peak_rss_mb": round(found["peak_rss_mib"] * 1.048576),
        "table_rows": rows,
        "digest_ok": found["is_exact"],
        "machine": facts.machine(),
    }


def _text(document: dict[str, Any]) -> str:
    lines = [f"kinesis, {document['engine']}"]
    for name, value in document.items():
        if isinstance(value, int | float):
            told = str(value) if isinstance(value, bool) else f"{value:,}"
            lines.append(f"  {name:34}{told:>12}")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kinesis")
    parser.add_argument("--quick", action="store_true", help="fewer records")
    parser.add_argument("--json", action="store_true", help="JSON, one document a line")
    parser.add_argument("--engine", choices=ENGINES, help="with a file of this engine only")
    parser.add_argument("--rows", type=int, default=_ROWS, help="items that are drawn from")
    for option in ("--size", "--rounds"):  # for tests: pages
        parser.add_argument(option, type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
