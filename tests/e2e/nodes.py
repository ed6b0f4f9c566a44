"""Real nodes for the stories: `snowmelt run` and the other verbs as processes of their own.

Every wait has a bound; when it passes, the failure carries the end of the node's log.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import yaml

from cdc.engines import open_accelerator
from cdc.keys import Item
from cdc.rebuild import canonical_item
from snowmelt import client
from snowmelt.errors import NodeUnreachable
from tests.forking.client import zygote
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.process import FOREIGN_VARIABLES, free_ports
from tests.servers.seaweedfs import SeaweedFS

# The machine may be busy with other suites; a wait that is too long costs only failures.
PATIENCE_SECONDS = 90.0
_POLL_SECONDS = 0.05

Document = dict[str, Any]


class Process(Protocol):
    """What nodes use of `subprocess.Popen`."""

    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


Key = tuple[str, ...]


def table_params(server: DynamoDBLocal, **more: Any) -> Document:
    """The `params` of a dataset that name DynamoDB Local."""
    return {
        "dynamodb_aws_region": server.region,
        "dynamodb_aws_auth": "key",
        "dynamodb_aws_access_key_id": server.access_key,
        "dynamodb_aws_secret_access_key": server.secret_key,
        "endpoint_url": server.endpoint_url,
        **more,
    }


def bucket(server: SeaweedFS, name: str) -> Document:
    """The `snapshots` section for a new bucket of SeaweedFS."""
    return {
        "location": f"s3://{server.bucket(name)}/snapshots",
        "params": {
            "s3_auth": "key",
            "s3_key": server.access_key,
            "s3_secret": server.secret_key,
            "s3_region": server.region,
            "s3_endpoint": server.endpoint_url,
        },
    }


@dataclass(frozen=True)
class Finished:
    """How a verb ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Node:
    """One node with a directory of its own. `document` is written as it is when a process starts.

    `name` is the dataset's; `home` holds configuration, log and, without another path, the file.
    """

    home: Path
    document: Document
    environment: Mapping[str, str] = field(default_factory=dict)
    patience_seconds: float = PATIENCE_SECONDS

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        runtime = self.document.setdefault("runtime", {})
        admin, query = free_ports(2)
        runtime.setdefault("admin", f"127.0.0.1:{admin}")
        runtime.setdefault("query", f"127.0.0.1:{query}")
        runtime.setdefault("data_dir", str(self.home / "data"))
        runtime.setdefault("shutdown_timeout", "80s")  # below the patience of `stop`
        self.admin, self.query = str(runtime["admin"]), str(runtime["query"])
        self.config = self.home / "node.yaml"
        self.log = self.home / "node.log"
        self._process: Process | None = None

    # ------------------------------------------------------------ what it is

    @property
    def dataset(self) -> Document:
        section: Document = self.document["datasets"][0]
        return section

    @property
    def name(self) -> str:
        return str(self.dataset["name"])

    @property
    def _acceleration(self) -> Document:
        section: Document = self.dataset.get("acceleration", {})
        return section

    @property
    def engine(self) -> str:
        return str(self._acceleration.get("engine", "duckdb"))

    @property
    def path(self) -> Path:
        given = self._acceleration.get("path")
        data_dir = Path(self.document["runtime"]["data_dir"])
        return Path(given) if given else data_dir / f"{self.name}.{self.engine}"

    # ------------------------------------------------------------ its process

    def write_config(self) -> None:
        self.config.write_text(yaml.safe_dump(self.document, sort_keys=False))

    def start(self) -> "Node":
        self.write_config()
        words = ["run", "-c", str(self.config)]
        self._process = started(
            words, self.home, environment=self.environment, output=self.log, errors=self.log
        )
        return self

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        process = self._process
        assert process is not None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout=self.patience_seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.send_signal(signal.SIGABRT)  # each thread tells where it is
                process.wait(timeout=10)
            self.kill()
            raise AssertionError(self.with_log("did not end after SIGTERM")) from None

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=PATIENCE_SECONDS)

    # ------------------------------------------------------------ waiting

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        """Fails with the log if it does not hold in time, or if the process ended before."""
        end = time.monotonic() + self.patience_seconds
        while time.monotonic() < end:
            # Before it is looked for: it may come true, and the process end, between the two.
            has_ended = self._process is not None and self._process.poll() is not None
            if holds():
                return
            if self._process is not None and has_ended:
                ended = f"ended with {self._process.returncode} before: {what}"
                raise AssertionError(self.with_log(ended))
            time.sleep(_POLL_SECONDS)
        status = json.dumps(self.status(), indent=1) if self.answers() else "no answer"
        raise AssertionError(self.with_log(f"waited in vain: {what}\nstatus: {status}"))

    def wait_ready(self) -> "Node":
        self.wait_until("ready", self.is_ready)
        return self

    def wait_for_records(self, count: int, number: int = 0) -> None:
        """Until so many stream records were committed by this process."""
        self.wait_until(f"{count} records", lambda: self.status(number)["records_total"] >= count)

    def wait_for_rows(self, count: int) -> None:
        """By SQL, because the count in the status is a few seconds old."""
        statement = f'select count(*) as n from "{self.name}"'
        self.wait_until(f"{count} rows", lambda: self.sql(statement) == [{"n": count}])

    def wait_for_item(self, key: Sequence[str], wanted: Item | None) -> None:
        """Until the item is as wanted, exactly; None: gone."""
        form = None if wanted is None else canonical_item(wanted)

        def is_there() -> bool:
            found = self.get(key)
            return (None if found is None else canonical_item(found)) == form

        self.wait_until(f"item {list(key)}", is_there)

    def wait_for_snapshot(self, number: int = 0) -> Document:
        """Until one was published by this process; returns the producer's status."""
        self.wait_until("a snapshot", lambda: self.snapshot(number)["published_total"] > 0)
        return self.snapshot(number)

    # ------------------------------------------------------------ what it says

    def answers(self) -> bool:
        try:
            return client.request(self.admin, "GET", "/health")[0] == 200
        except NodeUnreachable:
            return False

    def is_ready(self) -> bool:
        try:
            return client.request(self.admin, "GET", "/v1/ready")[0] == 200
        except NodeUnreachable:
            return False

    def status(self, number: int = 0) -> Document:
        """Of the first dataset, or of another one."""
        status: Document = client.call(self.admin, "GET", "/v1/status")["datasets"][number]
        return status

    def snapshot(self, number: int = 0) -> Document:
        snapshot: Document = self.status(number)["snapshot"]
        return snapshot

    def state(self) -> str:
        """The state, `no answer` before the listeners are open."""
        return str(self.status()["state"]) if self.answers() else "no answer"

    def sql(self, statement: str) -> Any:
        return client.call(self.query, "POST", f"/v1/sql?dataset={self.name}", statement.encode())

    def stale_sql(self, statement: str, dataset: str | None = None) -> tuple[Any, bool]:
        """The rows, and whether the answer is labelled stale; (None, False) without an answer."""
        url = f"http://{self.query}/v1/sql?dataset={dataset or self.name}"
        try:
            with urllib.request.urlopen(url, statement.encode(), timeout=60) as answer:
                return json.load(answer), answer.headers.get("X-Snowmelt-Stale") == "true"
        except urllib.error.HTTPError as error:
            error.close()
            return None, False
        except OSError:
            return None, False

    def get(self, key: Sequence[str]) -> Item | None:
        target = f"/v1/datasets/{self.name}/item"
        answer = client.call(self.query, "POST", target, json.dumps(list(key)).encode())
        item: Item | None = answer["item"]
        return item

    def create_snapshot(self, dataset: str | None = None) -> Document:
        target = f"/v1/datasets/{dataset or self.name}/acceleration/snapshots"
        report: Document = client.call(self.query, "POST", target, b"")
        return report

    def events(self, event: str) -> list[Document]:
        """The lines of the log with this event, of every process of this node."""
        whole = self.log.read_text().rpartition("\n")[0]  # the last line may be half written
        lines = (line for line in whole.splitlines() if line.startswith("{"))
        return [found for line in lines if (found := json.loads(line))["event"] == event]

    def with_log(self, message: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        shown = "\n".join(line[:400] for line in lines[-40:])
        return f"{self.home.name}: {message}\n--- the end of its log\n{shown}"

    # ------------------------------------------------------------ beside it

    def verb(self, *words: str) -> Finished:
        """Another verb with this node's configuration."""
        self.write_config()
        environment = {**self.environment, "SNOWMELT_CONFIG": str(self.config)}
        return snowmelt(*words, directory=self.home, environment=environment)

    def items(self) -> dict[Key, Item]:
        """Every item of the stopped node's file by its key, in canonical form."""
        assert self._process is None or self._process.poll() is not None, "stop it first"
        return items_of(self.path, self.name, "sqlite" if self.engine == "sqlite" else "duckdb")


def snowmelt(
    *words: str, directory: Path, environment: Mapping[str, str] | None = None
) -> Finished:
    """Run a verb to its end."""
    with TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = started(
            words, directory, environment=environment or {}, output=output, errors=errors
        )
        try:
            code = process.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Finished(code, output.read_text(), errors.read_text())


def started(
    words: Sequence[str],
    directory: Path,
    *,
    environment: Mapping[str, str],
    output: Path,
    errors: Path,
) -> Process:
    """A verb as a process: forked, because loading takes most of its CPU; by the interpreter where
    the environment says what it is to load.
    """
    whole = environment_of(environment)
    if "PYTHONPATH" not in environment:
        return zygote().run(words, cwd=directory, environment=whole, output=output, errors=errors)
    with output.open("ab") as out, errors.open("ab") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "snowmelt", *words],
            env=whole,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )


def environment_of(more: Mapping[str, str]) -> dict[str, str]:
    """This process's without the settings for a real cloud."""
    kept = {k: v for k, v in os.environ.items() if k not in FOREIGN_VARIABLES}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **more}


def items_of(path: Path, dataset: str, engine: str = "duckdb") -> dict[Key, Item]:
    """Every item of a file by its key, in canonical form."""
    file = open_accelerator("sqlite" if engine == "sqlite" else "duckdb", path, dataset)
    try:
        names = [each.name for each in file.keys.attributes]
        return _by_key((item for page in file.items() for item in page), names)
    finally:
        file.close()


def table_items(
    server: DynamoDBLocal, table: str, keys: Sequence[str], segments: int = 1
) -> dict[Key, Item]:
    """Every item of the table by its key, in canonical form, read by a plain boto3 Scan."""
    scan = server.dynamodb().get_paginator("scan")
    where = {"TableName": table, "ConsistentRead": True, "TotalSegments": segments}
    pages = (page for n in range(segments) for page in scan.paginate(**where, Segment=n))
    return _by_key((item for page in pages for item in page["Items"]), keys)


def _by_key(items: Iterable[Item], names: Sequence[str]) -> dict[Key, Item]:
    found: dict[Key, Item] = {}
    for item in map(canonical_item, items):
        key = tuple(str(next(iter(item[name].values()))) for name in names)
        assert key not in found, f"{key} occurs twice"
        found[key] = item
    return found


def differences(wanted: Mapping[Key, Item], found: Mapping[Key, Item], most: int = 5) -> str:
    """Empty if both hold the same items; else how many differ, and the first of them."""
    lines = [f"{key}: missing" for key in wanted if key not in found]
    lines += [f"{key}: too much" for key in found if key not in wanted]
    lines += [
        f"{key}: {name} is {item.get(name)}, wanted {wanted[key].get(name)}"
        for key, item in found.items()
        if key in wanted and item != wanted[key]
        for name in sorted(item.keys() | wanted[key].keys())
        if item.get(name) != wanted[key].get(name)
    ]
    return "\n".join([f"{len(lines)} differences", *lines[:most]]) if lines else ""
