"""`status`, `get`, `query` and `explain`: look at a dataset without changing anything.

All ask the running node, which alone has the file open; where none answers, `get`, `query` and
`explain` open the file themselves.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from snowmelt.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    DatasetName,
    choose,
    load,
    print_json,
)

if TYPE_CHECKING:
    from cdc.accelerator import Accelerator
    from cdc.keys import Item
    from snowmelt.config import Config, DatasetSection

Keys = Annotated[list[str], typer.Argument(help="Partition key, and sort key if there is one.")]
Fleet = Annotated[
    int | None,
    typer.Option(help="And what so many nodes would ask of the bucket: bytes, requests, dollars."),
]
Sql = Annotated[str, typer.Argument(help="One read-only statement.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command(help="What a running node says of itself.\n\nExample: snowmelt status --watch")(
        status
    )
    app.command(help="One item by its key, exactly.\n\nExample: snowmelt get route#7 v#1")(get)
    app.command(help="Read-only SQL.\n\nExample: snowmelt query 'select count(*) from pipelines'")(
        query
    )
    app.command(
        help="What this node would do now, and why; what a fleet would cost."
        "\n\nExample: snowmelt explain -c node.yaml --fleet 1000"
    )(explain)


def status(
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again every 2 seconds.")] = False,
) -> None:
    """Print the datasets of the node at `runtime.admin`."""
    from snowmelt import client
    from snowmelt.cli.tables import print_status

    address = load(config).config.runtime.admin
    while True:
        document = client.call(address, "GET", "/v1/status")
        if as_json:
            print_json(document)
        else:
            print_status(document["datasets"])
        if not watch:
            return
        time.sleep(2)


def get(
    keys: Keys,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> int:
    """Print the item as typed DynamoDB JSON; a missing one ends with 4."""
    settings = load(config).config
    section = choose(settings, dataset)
    item = _ask(
        settings,
        section,
        lambda ask: ask("POST", f"/v1/datasets/{quote(section.name)}/item", json.dumps(keys)),
        lambda file: {"item": _read(file, keys)},
    )["item"]
    if item is None:
        print(f"snowmelt: {section.name} has no item with this key", file=sys.stderr)
        return 4
    print_json(item) if as_json else print(json.dumps(item, ensure_ascii=False))
    return 0


def query(
    sql: Sql,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> None:
    """Print the rows: a table on a terminal or in a pipe, JSON with --json."""
    from snowmelt.cli.tables import print_rows

    settings = load(config).config
    section = choose(settings, dataset)
    rows = _ask(
        settings,
        section,
        lambda ask: ask("POST", f"/v1/sql?dataset={quote(section.name)}", sql),
        lambda file: _query_file(file, sql),
    )
    print_json(rows) if as_json else print_rows(rows)


def explain(
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    fleet: Fleet = None,
    as_json: AsJson = False,
) -> None:
    """Print the decision of a cold start, the candidates and the numbers behind them."""
    from snowmelt import client
    from snowmelt.cli.decision_table import print_decision
    from snowmelt.coldstart import explain as decide
    from snowmelt.errors import NodeUnreachable
    from snowmelt.wiring import wire

    settings = load(config).config
    section = choose(settings, dataset)
    target = f"/v1/datasets/{quote(section.name)}/explain"
    try:
        decision = client.call(settings.runtime.query, "GET", target)
    except NodeUnreachable:
        decision = decide(wire(settings, section))
    if fleet is not None:
        from snowmelt.fleets import fleet_of

        decision["fleet"] = fleet_of(wire(settings, section), fleet)
    print_json(decision) if as_json else print_decision(decision)


def _ask(
    settings: Config,
    section: DatasetSection,
    of_node: Callable[[Callable[[str, str, str], Any]], Any],
    of_file: Callable[[Accelerator], Any],
) -> Any:
    from snowmelt import client
    from snowmelt.errors import NodeUnreachable

    address = settings.runtime.query
    try:
        return of_node(
            lambda method, target, body: client.call(address, method, target, body.encode())
        )
    except NodeUnreachable:
        with _file(settings.path_of(section), section) as file:
            return of_file(file)


@contextlib.contextmanager
def _file(path: Path, section: DatasetSection) -> Iterator[Accelerator]:
    from cdc.engines import open_accelerator
    from snowmelt.errors import UsageError

    if not path.exists():
        raise UsageError(
            f"dataset {section.name}: no node runs and {path} does not exist",
            hint="start `snowmelt run`, or `snowmelt restore`",
        )
    file = open_accelerator(section.acceleration.engine, path, section.name)
    try:
        yield file
    finally:
        file.close()


def _read(file: Accelerator, words: list[str]) -> Item | None:
    from snowmelt.errors import UsageError
    from snowmelt.keys import typed_key

    try:
        return file.read(typed_key(file.keys, words))
    except ValueError as error:
        raise UsageError(str(error), hint="correct the key") from error


def _query_file(file: Accelerator, sql: str) -> list[dict[str, Any]]:
    from cdc.accelerator import QueryLimits, QueryRefused
    from snowmelt.errors import UsageError
    from snowmelt.rows import objects

    try:
        result = file.query(sql, QueryLimits())
    except QueryRefused as error:
        raise UsageError(str(error), hint="correct the statement") from error
    return objects(result)
