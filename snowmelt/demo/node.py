"""Real nodes for the demonstration: `snowmelt run` processes, timed from exec to ready."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from cdc.engines import open_accelerator
from cdc.rebuild import ItemSetDigest
from snowmelt import client
from snowmelt.demo.cloud import ACCESS_KEY, REGION, TABLE
from snowmelt.errors import NodeError, NodeUnreachable, WaitTimedOut

_READY_SECONDS = 600.0
_POLL_SECONDS = 0.01
_AWS_VARIABLES = ("AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CONFIG_FILE")


class NodeFailed(NodeError):
    """A node of the demonstration ended early or cannot be used."""

    exit_code = 1
    hint = "its log is in the demo's directory; keep it with --keep DIR"


class DemoNode:
    """One node with a file of its own. `snapshots`: as in acceleration.snapshots."""

    def __init__(
        self, name: str, directory: Path, endpoint_url: str, engine: str, snapshots: str
    ) -> None:
        self.name = name
        self.engine = engine
        self.path = directory / name / f"{TABLE}.{engine}"
        self.path.parent.mkdir(parents=True)
        self.admin, self.query = _free_address(), _free_address()
        self.config = directory / f"{name}.yaml"
        self.log = directory / f"{name}.log"
        self.config.write_text(yaml.safe_dump(self._document(directory, endpoint_url, snapshots)))
        self._process: subprocess.Popen[bytes] | None = None

    def _document(self, directory: Path, endpoint_url: str, snapshots: str) -> dict[str, Any]:
        return {
            "version": "v1",
            "name": self.name,
            "snapshots": {"enabled": True, "location": f"file://{directory / 'bucket'}"},
            "datasets": [
                {
                    "from": f"dynamodb:{TABLE}",
                    "name": TABLE,
                    "params": {
                        "dynamodb_aws_region": REGION,
                        "dynamodb_aws_auth": "key",
                        "dynamodb_aws_access_key_id": ACCESS_KEY,
                        "dynamodb_aws_secret_access_key": ACCESS_KEY,
                        "endpoint_url": endpoint_url,
                        "dynamodb_streams_endpoint_url": endpoint_url,
                    },
                    "acceleration": {
                        "engine": self.engine,
                        "path": str(self.path),
                        "snapshots": snapshots,
                        "snapshots_trigger_threshold": "2m",
                    },
                }
            ],
            "runtime": {"admin": self.admin, "query": self.query},
        }

    def start(self) -> float:
        """Run the node until it is ready; returns the seconds from exec to `/v1/ready`."""
        environment = {k: v for k, v in os.environ.items() if k not in _AWS_VARIABLES}
        begun = time.monotonic()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "snowmelt", "run", "-c", str(self.config)],
                env=environment,
                stdout=log,
                stderr=log,
            )
        while not self._is_ready():
            if self._process.poll() is not None:
                raise NodeFailed(f"{self.name} ended with {self._process.returncode}")
            if time.monotonic() - begun > _READY_SECONDS:
                raise WaitTimedOut(f"{self.name} was not ready after {_READY_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - begun

    def _is_ready(self) -> bool:
        try:
            return client.request(self.admin, "GET", "/v1/ready")[0] == 200
        except NodeUnreachable:
            return False

    def status(self) -> dict[str, Any]:
        """The dataset's status."""
        document: dict[str, Any] = client.call(self.admin, "GET", "/v1/status")
        status: dict[str, Any] = document["datasets"][0]
        return status

    def wait_for_records(self, count: int, deadline_seconds: float = 120.0) -> None:
        """Wait until so many stream records are committed."""
        deadline = time.monotonic() + deadline_seconds
        while self.status()["records_total"] < count:
            if time.monotonic() > deadline:
                raise WaitTimedOut(f"{self.name} has not applied {count} changes")
            time.sleep(0.05)

    def create_snapshot(self) -> dict[str, Any]:
        """Publish now; returns the report."""
        target = f"/v1/datasets/{TABLE}/acceleration/snapshots"
        report: dict[str, Any] = client.call(self.query, "POST", target, b"")
        return report

    def stop(self) -> None:
        """SIGTERM; the node commits and ends with 0."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise NodeFailed(f"{self.name} did not stop") from None
        if code != 0:
            raise NodeFailed(f"{self.name} ended with {code} on SIGTERM")

    def digest(self) -> ItemSetDigest:
        """The digest of every item in the stopped node's file."""
        digest = ItemSetDigest()
        file = open_accelerator("sqlite" if self.engine == "sqlite" else "duckdb", self.path, TABLE)
        try:
            for page in file.items():
                digest.add_all(page)
        finally:
            file.close()
        return digest


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
