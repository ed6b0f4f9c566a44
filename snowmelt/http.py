"""The two listeners: *admin* (health, readiness, status, metrics) and *query* (SQL, datasets).

Liveness is only "the process answers": an upstream that is away must never restart nodes. So no
handler works in the event loop; Starlette runs plain functions in threads.
Readiness is latched per dataset. A query to a dataset that is not ready gets 503 with a reason and
Retry-After; an answer from data older than promised carries `X-Snowmelt-Stale: true`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cdc.accelerator import QueryLimits, QueryRefused, QueryResult
from cdc.errors import CdcError
from cdc.keys import Item, KeySchema
from snowmelt.keys import typed_key
from snowmelt.rows import objects
from snowmelt.status import DatasetStatus

BODY_LIMIT = 256 * 1024
RETRY_AFTER_SECONDS = "2"


class Readable(Protocol):
    """What answers queries: a file, or whichever of several is newest."""

    @property
    def keys(self) -> KeySchema:
        """The attributes of the key."""

    def query(self, sql: str, limits: QueryLimits) -> QueryResult:
        """One read-only statement. Raises QueryRefused."""

    def read(self, key: Item) -> Item | None:
        """The exact item with this key, or None."""


class Served(Protocol):
    """What the listeners need of a dataset."""

    @property
    def name(self) -> str:
        """The dataset's name."""

    @property
    def accelerator(self) -> Readable | None:
        """What answers queries now; None while nothing does."""

    def status(self) -> DatasetStatus:
        """The dataset now."""

    def create_snapshot(self, force: str | None = None) -> Mapping[str, object]:
        """Publish now; returns the report. `force`: why the gate is overruled, this once.

        Raises SnapshotError.
        """

    def explain(self) -> Mapping[str, object]:
        """What a cold start would do with its file now. Raises SnapshotError."""


def admin_app(datasets: Sequence[Served], metrics: Callable[[], bytes]) -> Starlette:
    """Health, readiness, status and metrics; safe to bind for probes."""

    async def health(_request: Request) -> Response:
        return PlainTextResponse("ok")

    def ready(request: Request) -> Response:
        waiting = [why for d in datasets if (why := d.status().not_ready_because)]
        if request.query_params.get("format") == "json":
            document = {"ready": not waiting, "waiting_for": waiting}
            return JSONResponse(document, 503 if waiting else 200)
        if waiting:
            headers = {"Retry-After": RETRY_AFTER_SECONDS}
            return PlainTextResponse("not ready: " + "; ".join(waiting), 503, headers)
        return PlainTextResponse("ready")

    def status(_request: Request) -> Response:
        return JSONResponse({"datasets": [dataset.status().to_json() for dataset in datasets]})

    def page(_request: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/livez", health),
            Route("/v1/ready", ready),
            Route("/readyz", ready),
            Route("/v1/status", status),
            Route("/metrics", page),
        ]
    )


def query_app(datasets: Sequence[Served], limits: QueryLimits) -> Starlette:
    """SQL and datasets, for processes on this machine."""

    async def sql(request: Request) -> Response:
        statement = await _statement(request)
        dataset = choose(datasets, statement, request.query_params.get("dataset"))
        return await _served(dataset, lambda file: _rows(file, statement, limits))

    def listing(_request: Request) -> Response:
        return JSONResponse([_summary(dataset.status()) for dataset in datasets])

    async def snapshot(request: Request) -> Response:
        dataset = choose(datasets, "", request.path_params["name"])
        create = partial(dataset.create_snapshot, _force(await _statement(request)))
        return await run_in_threadpool(_answer, create, 201)

    def explanation(request: Request) -> Response:
        dataset = choose(datasets, "", request.path_params["name"])
        return _answer(dataset.explain, 200)

    async def item(request: Request) -> Response:
        dataset = choose(datasets, "", request.path_params["name"])
        text = await _statement(request)
        return await _served(
            dataset, lambda file: JSONResponse({"item": _read(file, _words(text))})
        )

    return Starlette(
        routes=[
            Route("/v1/sql", sql, methods=["POST"]),
            Route("/v1/datasets", listing),
            Route("/v1/datasets/{name}/explain", explanation),
            Route("/v1/datasets/{name}/item", item, methods=["POST"]),
            Route("/v1/datasets/{name}/acceleration/snapshots", snapshot, methods=["POST"]),
        ],
        exception_handlers={QueryRefused: _refused, CdcError: _unavailable},
    )


async def _served(dataset: Served, read: Callable[[Readable], Response]) -> Response:
    """What is read from a dataset that is ready, labelled if it is stale.

    In one turn of one thread: beside busy ones each further turn may wait for milliseconds.
    """

    def answer() -> Response:
        status, accelerator = dataset.status(), dataset.accelerator
        if accelerator is None or not status.ready:
            return _not_ready(status)
        return _labelled(read(accelerator), status)

    return await run_in_threadpool(answer)


def _rows(accelerator: Readable, statement: str, limits: QueryLimits) -> Response:
    result = accelerator.query(statement, limits)
    rows = objects(result)
    headers = {"X-Snowmelt-Rows": str(len(rows))}
    if result.truncated:
        headers["X-Snowmelt-Truncated"] = "true"
    return Response(_dump(rows), headers=headers, media_type="application/json")


def _labelled(response: Response, status: DatasetStatus) -> Response:
    if status.stale:
        response.headers["X-Snowmelt-Stale"] = "true"
    return response


def _words(text: str) -> list[str]:
    try:
        words = json.loads(text)
    except ValueError as error:
        raise QueryRefused("the key is not a JSON array of strings") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise QueryRefused("the key is not a JSON array of strings")
    return words


def _force(text: str) -> str | None:
    """Why a person overrules the gate: `{"force": WHY}`; an empty body overrules nothing."""
    if not text:
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise QueryRefused("the body is no JSON object") from error
    force = document.get("force") if isinstance(document, dict) else None
    if not isinstance(force, str) or not force.strip():
        raise QueryRefused('the body is not {"force": WHY}')
    return force


def _read(accelerator: Readable, words: list[str]) -> object:
    try:
        return accelerator.read(typed_key(accelerator.keys, words))
    except ValueError as error:
        raise QueryRefused(str(error)) from error


def _not_ready(status: DatasetStatus) -> Response:
    why = status.not_ready_because or f"{status.name}: not open"
    return JSONResponse({"error": why}, 503, {"Retry-After": RETRY_AFTER_SECONDS})


def choose(datasets: Sequence[Served], statement: str, name: str | None) -> Served:
    """The dataset that a statement is about: named, or the only one. Raises QueryRefused."""
    if name is None and len(datasets) == 1:
        return datasets[0]
    for dataset in datasets:
        if dataset.name == name:
            return dataset
    if name is None:
        mentioned = [dataset for dataset in datasets if dataset.name in statement]
        if len(mentioned) == 1:
            return mentioned[0]
    names = ", ".join(dataset.name for dataset in datasets)
    raise QueryRefused(f"choose one dataset with ?dataset=NAME; there are {names}", status=404)


async def _statement(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise QueryRefused(f"the statement is longer than {BODY_LIMIT} bytes", status=413)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise QueryRefused("the statement is not UTF-8 text") from error


def _answer(ask: Callable[[], Mapping[str, object]], status: int) -> Response:
    from snapshotter.errors import SnapshotError

    try:
        return JSONResponse(dict(ask()), status)
    except SnapshotError as error:
        document = {"error": str(error), "hint": error.hint, "exit_code": error.exit_code}
        # 8, unreachable, is the one that a later try may overcome.
        return JSONResponse(document, 503 if error.exit_code == 8 else 409)


def _summary(status: DatasetStatus) -> dict[str, object]:
    names = {"ready": "Ready", "error": "Error", "stopping": "ShuttingDown"}
    state = names.get(status.state, "Initializing")
    return {
        "name": status.name,
        "from": status.source,
        "acceleration_enabled": True,
        "replication_enabled": status.role == "central",
        "status": state,
        "stale": status.stale,
        "rows": status.rows,
    }


async def _refused(_request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, QueryRefused) else 400
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if status == 503 else None
    return JSONResponse({"error": str(error)}, status, headers)


async def _unavailable(_request: Request, error: Exception) -> Response:
    """The file was closed under a request, to be replaced by a newer one or for good."""
    return JSONResponse({"error": str(error)}, 503, {"Retry-After": RETRY_AFTER_SECONDS})


def _dump(rows: list[dict[str, object]]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"), default=str).encode()
