"""What the three commands share: options, a clean environment, the document and its printing."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.kit import facts, report
from benchmarks.kit.child import SideFailed
from benchmarks.kit.compare import Comparison, WrongContent, compare
from tests.servers.process import FOREIGN_VARIABLES

ENGINES = ("duckdb", "sqlite")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. `size` None: the benchmark's own. `ends` is closed at the end.

    `tools`: other programs may be installed and run.
    """

    quick: bool
    size: int | None
    rounds: int
    engines: tuple[str, ...]
    store: str
    tools: bool
    scratch: Path
    ends: ExitStack


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be compared, and the parameters worth a place in the document."""

    parameters: dict[str, Any]
    comparisons: Sequence[Comparison]


Prepare = Callable[[Asked], Prepared]
Figures = Callable[[Sequence[Mapping[str, Any]]], Iterable[Mapping[str, Any]]]


def main(
    name: str,
    prepare: Prepare,
    *,
    rounds: int,
    quick_rounds: int,
    figures: Figures | None = None,
) -> None:
    """Prepare in a scratch directory, compare, print. `figures` are added to the document."""
    options = _parse(name)
    clean_environment()
    try:
        document = _document(name, prepare, options, quick_rounds if options.quick else rounds)
        if figures is not None:
            document["figures"] = list(figures(document["results"]))
    except (SideFailed, WrongContent) as error:
        sys.exit(f"{name}: {error}")
    print(json.dumps(document, indent=2) if options.json else report.table(document))


def _document(
    name: str, prepare: Prepare, options: argparse.Namespace, rounds: int
) -> dict[str, Any]:
    machine = facts.machine()
    with (
        tempfile.TemporaryDirectory(prefix=f"snowmelt-{name}-") as scratch,
        ExitStack() as ends,
    ):
        asked = Asked(
            quick=options.quick,
            size=options.size,
            rounds=options.rounds or rounds,
            engines=(options.engine,) if options.engine else ENGINES,
            store=options.store,
            tools=not options.no_tools,
            scratch=Path(scratch),
            ends=ends,
        )
        notify("preparing")
        prepared = prepare(asked)
        results = [
            result
            for comparison in prepared.comparisons
            for result in compare(comparison, asked.rounds, notify)
        ]
    notify("")
    return {
        "benchmark": name,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": asked.quick,
        "parameters": {"rounds": asked.rounds, **prepared.parameters},
        "machine": machine,
        "load_at_end": round(os.getloadavg()[0], 1),
        "results": results,
    }


def _parse(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer rounds")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    for option in ("--size", "--rounds"):  # for tests: figures of a tiny size say nothing
        parser.add_argument(option, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--no-tools", action="store_true", help="install and run no other programs")
    parser.add_argument("--engine", choices=ENGINES, help="this engine only")
    parser.add_argument(
        "--store", choices=("s3", "file"), default="s3", help="where snapshots go (s3: SeaweedFS)"
    )
    return parser.parse_args()


def clean_environment() -> None:
    """Settings for the real cloud break clients on loopback; sides inherit what is left."""
    for variable in FOREIGN_VARIABLES:
        os.environ.pop(variable, None)
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


def notify(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
