"""A node: its datasets, its two listeners, and an orderly end.

Listeners open first, so that probes get an answer from the first moment; datasets stop first, so
that what is pending is committed while `/v1/ready` can still be asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from starlette.types import ASGIApp

from cdc.accelerator import QueryLimits
from snowmelt import http, metrics, turns
from snowmelt.catalog_watch import watching
from snowmelt.config import Config
from snowmelt.errors import UsageError
from snowmelt.listeners import Listener
from snowmelt.logs import logger
from snowmelt.loopback import LoopbackOnly
from snowmelt.runtimes import runtime_of
from snowmelt.wiring import wire

# A look that hangs in a store is left behind: nothing depends on it.
_WATCH_SECONDS = 0.2


class Node:
    """The daemon behind `snowmelt run`."""

    def __init__(self, config: Config, *, takes_over: bool = False) -> None:
        """`takes_over`: publish at once, also where another node does."""
        self.config = config
        self._log = logger(node=config.name)
        plans = [wire(config, section, takes_over=takes_over) for section in config.datasets]
        for plan in plans:
            if plan.publishes:
                _ = plan.trigger_settings  # a wrong threshold is an error of the file, now
        _check_paths([plan.path for plan in plans])
        self.datasets = [runtime_of(plan) for plan in plans]
        self._watches = [
            watching(plan.catalog, plan.store, plan.name)
            for plan in plans
            if plan.role == "central" and plan.store is not None
        ]
        page = metrics.page(
            lambda: [dataset.status() for dataset in self.datasets], _switches(config)
        )
        self.admin = Listener(http.admin_app(self.datasets, page), config.runtime.admin, "admin")
        queries: ASGIApp = http.query_app(self.datasets, QueryLimits())
        if not config.runtime.query.startswith("unix://"):
            queries = LoopbackOnly(queries)
        self.query = Listener(queries, config.runtime.query, "query")

    def run(self, stop: threading.Event) -> int:
        """Serve until `stop` is set; returns the exit code: 0, or 1 if the end took too long."""
        turns.shorten()
        self.admin.start()
        self.query.start()
        self._log.info("node_started", admin=self.admin.address, query=self.query.address)
        for dataset in self.datasets:
            dataset.start()
        for watch in self._watches:
            watch.start()
        stop.wait()
        for dataset in self.datasets:
            dataset.stop(0.0)  # all are told before one is waited for
        self._log.info("node_stopping")
        return self._shut_down()

    def _shut_down(self) -> int:
        deadline = time.monotonic() + self.config.runtime.shutdown_timeout
        in_time = [dataset.stop(max(0.1, deadline - time.monotonic())) for dataset in self.datasets]
        for watch in self._watches:
            watch.stop(_WATCH_SECONDS)
        self.query.stop()
        self.admin.stop()
        late = [d.name for d, done in zip(self.datasets, in_time, strict=True) if not done]
        if late:
            self._log.error("node_stopped_late", datasets=late)
            return 1
        self._log.info("node_stopped")
        return 0


def _switches(config: Config) -> dict[str, frozenset[str]]:
    return {
        dataset.name: frozenset(metric.name for metric in dataset.metrics if metric.enabled)
        for dataset in config.datasets
        if dataset.metrics is not None
    }


def _check_paths(paths: Sequence[Path]) -> None:
    for path in paths:
        if list(paths).count(path) > 1:
            raise UsageError(
                f"two datasets share the file {path}", hint="give each its own acceleration.path"
            )
