"""A node in this process, on ports of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from snowmelt.config_file import parse
from snowmelt.node import Node

PATIENCE_SECONDS = 90


@dataclass(frozen=True)
class Running:
    """A node with a client for each of its listeners."""

    node: Node
    admin: httpx.Client
    query: httpx.Client

    def sql(self, statement: str | bytes, dataset: str | None = None) -> httpx.Response:
        params = {} if dataset is None else {"dataset": dataset}
        content = statement.encode() if isinstance(statement, str) else statement
        return self.query.post("/v1/sql", content=content, params=params)

    def wait_for(self, what: Callable[[Running], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not what(self):
            assert time.monotonic() < end, self.admin.get("/v1/status").text
            time.sleep(0.05)

    def wait_until_ready(self) -> None:
        self.wait_for(lambda running: running.admin.get("/v1/ready").status_code == 200)


@contextlib.contextmanager
def running(config: Mapping[str, Any]) -> Iterator[Running]:
    """Run a node until the block ends, on free ports unless `config` says otherwise."""
    runtime = {"query": "127.0.0.1:0", "admin": "127.0.0.1:0", **config.get("runtime", {})}
    node = Node(parse(yaml.safe_dump({**config, "runtime": runtime}), {}, "node.yaml").config)
    stop = threading.Event()
    thread = threading.Thread(target=node.run, args=(stop,))
    thread.start()
    try:
        with (
            httpx.Client(base_url=_url(node.admin.port), timeout=90) as admin,
            httpx.Client(base_url=_url(node.query.port), timeout=90) as query,
        ):
            yield Running(node, admin, query)
    finally:
        stop.set()
        thread.join()


def _url(port: int | None) -> str:
    return "" if port is None else f"http://127.0.0.1:{port}"


def files_in(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
