"""The other verbs, on a node that runs and publishes two datasets of one table to SeaweedFS."""

import json
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdc.rebuild import ItemSetDigest
from snowmelt import client
from tests.e2e.changes import change
from tests.e2e.held import held_link
from tests.e2e.nodes import (
    Document,
    Finished,
    Key,
    Node,
    bucket,
    differences,
    items_of,
    snowmelt,
    table_items,
    table_params,
)
from tests.flights import KEYS, Item, flights, load
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.seaweedfs import SeaweedFS

KEY_NAMES = tuple(name for name, _ in KEYS)
ROWS = 3_000
CHANGES = 20
ENGINES = ("duckdb", "sqlite")


@dataclass(frozen=True)
class Centre:
    """A running node and what it published of each engine: a first snapshot, changes, a second."""

    node: Node
    table: str
    snapshots: Document
    before: dict[Key, Item]
    after: dict[Key, Item]
    first: dict[str, Document]
    second: dict[str, Document]

    def restore(self, engine: str, directory: Path, *words: str) -> Finished:
        """`snowmelt restore` with nothing but a location and keys from the environment."""
        params = self.snapshots["params"]
        keys = {
            "AWS_ACCESS_KEY_ID": params["s3_key"],
            "AWS_SECRET_ACCESS_KEY": params["s3_secret"],
        }
        where = ["--location", self.snapshots["location"], "--s3-endpoint", params["s3_endpoint"]]
        what = ["--s3-region", params["s3_region"], "--dataset", engine, "--output", "copy"]
        return snowmelt("restore", *where, *what, *words, directory=directory, environment=keys)


def _document(server: DynamoDBLocal, table: str, snapshots: Document) -> Document:
    def section(engine: str) -> Document:
        return {
            "from": f"dynamodb:{table}",
            "name": engine,
            "params": table_params(server),
            "acceleration": {
                "engine": engine,
                "snapshots": "enabled",
                "snapshots_trigger_threshold": "1h",
            },
        }

    datasets = [section(engine) for engine in ENGINES]
    return {"version": "v1", "snapshots": snapshots, "datasets": datasets}


@pytest.fixture(scope="module")
def centre(
    dynamodb_local_server: DynamoDBLocal,
    seaweedfs: SeaweedFS,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Centre]:
    server = dynamodb_local_server.alone()
    table = server.table("flights", keys=KEYS).name
    load(server, table, flights(0, ROWS))
    before = table_items(server, table, KEY_NAMES)
    snapshots = bucket(seaweedfs, "verbs")
    node = Node(tmp_path_factory.mktemp("centre"), _document(server, table, snapshots))
    try:
        node.start().wait_ready()
        first = {engine: _first_snapshot(node, n) for n, engine in enumerate(ENGINES)}
        records = [node.status(number)["records_total"] for number in range(2)]
        change(server, table, flights(0, CHANGES), seed=1)
        for number, so_far in enumerate(records):
            node.wait_for_records(so_far + CHANGES, number)
        second = {engine: node.create_snapshot(engine) for engine in ENGINES}
        after = table_items(server, table, KEY_NAMES)
        yield Centre(node, table, snapshots, before, after, first, second)
    finally:
        node.kill()


def _first_snapshot(node: Node, number: int) -> Document:
    status = node.wait_for_snapshot(number=number)
    return {"snapshot_id": status["last_id"], "new_bytes": status["last_new_bytes"]}


# ---------------------------------------------------------------- snapshots


@pytest.mark.parametrize("engine", ENGINES)
def test_a_snapshot_after_few_changes_is_small(centre: Centre, engine: str) -> None:
    full, incremental = centre.first[engine]["new_bytes"], centre.second[engine]["new_bytes"]

    # In so small a table most blocks of SQLite's hold a row that changed.
    assert incremental < full * {"duckdb": 0.2, "sqlite": 0.75}[engine]


def test_the_catalog_lists_shows_and_verifies_what_was_published(centre: Centre) -> None:
    published = [centre.second["sqlite"]["snapshot_id"], centre.first["sqlite"]["snapshot_id"]]

    listed = centre.node.verb("snapshots", "list", "--dataset", "sqlite", "--json").json()
    shown = centre.node.verb("snapshots", "show", "--dataset", "sqlite", "--json").json()
    verified = centre.node.verb(
        "snapshots", "verify", published[1], "--dataset", "sqlite", "--level", "full", "--json"
    )

    assert [entry["snapshot_id"] for entry in listed] == published
    assert [entry["current"] for entry in listed] == [True, False]
    assert shown["snapshot_id"] == published[0]
    assert shown["row_count"] == len(centre.after)
    assert verified.code == 0
    assert verified.json()["ok"]
    assert verified.json()["recorded"]


def test_drills_of_both_engines_find_the_items_of_the_table(centre: Centre, tmp_path: Path) -> None:
    wanted = ItemSetDigest()
    wanted.add_all(centre.after.values())

    for engine in ENGINES:
        words = ("--dataset", engine, "--scratch", str(tmp_path), "--json")
        done = centre.node.verb("snapshots", "drill", *words)
        listed = centre.node.verb("snapshots", "list", "--dataset", engine, "--json").json()
        assert done.code == 0, done.err
        assert done.json()["rows"] == len(centre.after)
        assert done.json()["content_digest"] == wanted.hexdigest()
        assert [entry["proven_at"] is not None for entry in listed] == [True, False]
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- restore


@pytest.mark.parametrize("engine", ENGINES)
def test_a_restored_file_opens_in_the_plain_engine(
    centre: Centre, engine: str, tmp_path: Path
) -> None:
    done = centre.restore(engine, tmp_path)

    assert done.code == 0, done.err
    copy = tmp_path / "copy"
    connect: Callable[[str], Any] = sqlite3.connect if engine == "sqlite" else duckdb.connect
    plain = connect(str(copy))
    (count,) = plain.execute(f'select count(*) from "{engine}"').fetchone()
    plain.close()
    assert count == len(centre.after)
    assert differences(centre.after, items_of(copy, engine, engine)) == ""


@pytest.mark.parametrize("flag", ["--snapshot", "--data-version", "--at"])
def test_an_older_state_can_be_asked_for(centre: Centre, flag: str, tmp_path: Path) -> None:
    snapshot = centre.first["duckdb"]["snapshot_id"]
    _, version, created = snapshot.split("-")
    moment = datetime.strptime(created[:-1] + "+0000", "%Y%m%dT%H%M%S%f%z").astimezone(UTC)
    value = {
        "--snapshot": snapshot,
        "--data-version": str(int(version)),
        "--at": moment.isoformat(timespec="milliseconds"),
    }[flag]

    done = centre.restore("duckdb", tmp_path, flag, value)

    assert done.code == 0, done.err
    assert snapshot in done.out
    assert differences(centre.before, items_of(tmp_path / "copy", "duckdb")) == ""


def test_a_dry_run_tells_the_decision_and_writes_nothing(centre: Centre, tmp_path: Path) -> None:
    done = centre.restore("duckdb", tmp_path, "--dry-run", "--json")

    planned = done.json()
    assert done.code == 0
    assert planned["planned"]
    assert planned["action"] == "restore"
    assert planned["snapshot_id"] == centre.second["duckdb"]["snapshot_id"]
    assert list(tmp_path.iterdir()) == []


def test_an_init_container_leaves_a_file_alone_and_hands_over_to_the_command(
    centre: Centre, tmp_path: Path
) -> None:
    (tmp_path / "copy").write_bytes(b"here before")
    command = [sys.executable, "-c", "print('the application')"]

    done = centre.restore("duckdb", tmp_path, "--if-not-exists", "--", *command)

    assert (done.code, done.out) == (0, "the application\n")
    assert (tmp_path / "copy").read_bytes() == b"here before"


def test_the_command_starts_once_the_file_is_there(centre: Centre, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print(os.path.exists('copy')); os._exit(7)"]

    done = centre.restore("sqlite", tmp_path, "--", *command)

    assert (done.code, done.out.splitlines()[-1]) == (7, "True"), done.err


# ---------------------------------------------------------------- looking at a node, and at a file


def _assert_answers(node: Node, centre: Centre) -> None:
    """`get` and `query` on both datasets give what the table has."""
    key, item = next(iter(centre.after.items()))
    got = node.verb("get", *key, "--dataset", "duckdb", "--json")
    count = node.verb("query", "select count(*) as n from sqlite", "--dataset", "sqlite", "--json")

    assert differences({key: item}, {key: got.json()}) == "", got.err
    assert count.json() == [{"n": len(centre.after)}], count.err


def test_a_running_node_answers_get_query_and_status(centre: Centre) -> None:
    _assert_answers(centre.node, centre)

    def are_counted() -> bool:  # rows are counted at most every few seconds
        numbers = range(len(ENGINES))
        return all(centre.node.status(each)["rows"] == len(centre.after) for each in numbers)

    centre.node.wait_until("rows counted", are_counted)
    status = centre.node.verb("status", "--json").json()["datasets"]

    assert [one["name"] for one in status] == list(ENGINES)
    assert all(one["ready"] and one["state"] == "ready" for one in status)
    assert {one["rows"] for one in status} == {len(centre.after)}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_file_of_a_running_node_is_explained(centre: Centre, engine: str) -> None:
    done = centre.node.verb("explain", "--dataset", engine, "--json")

    assert done.code == 0, done.err
    assert done.json()["action"] == "keep_local"
    assert done.json()["candidates"][0]["snapshot_id"] == centre.second[engine]["snapshot_id"]


def test_a_key_that_is_not_there_ends_with_4(centre: Centre) -> None:
    assert centre.node.verb("get", "XX#1", "2013", "--dataset", "duckdb").code == 4


def test_the_file_of_a_stopped_node_answers_and_is_explained(
    centre: Centre, make_node: Callable[..., Node]
) -> None:
    document = json.loads(json.dumps(centre.node.document))
    del document["runtime"]
    node = make_node("stopped", document)
    for engine in ENGINES:
        assert node.verb("restore", "--dataset", engine).code == 0

    _assert_answers(node, centre)
    explained = node.verb("explain", "--dataset", "duckdb", "--json").json()

    assert explained["action"] == "keep_local"
    assert explained["candidates"][0]["snapshot_id"] == centre.second["duckdb"]["snapshot_id"]
    assert node.verb("status").code == 8


def test_a_node_tells_what_its_init_container_did(
    centre: Centre, make_node: Callable[..., Node]
) -> None:
    document = json.loads(json.dumps(centre.node.document))
    del document["runtime"], document["datasets"][1]
    document["datasets"][0]["acceleration"]["snapshots"] = "bootstrap_only"
    node = make_node("pod", document)
    assert node.verb("restore", "--report", "report.json").code == 0
    report = json.loads((node.home / "report.json").read_text())

    told = node.start().wait_ready().status()["restore"]
    page = client.request(node.admin, "GET", "/metrics")[1].decode()

    assert told["decision"] == "keep_local"
    assert told["snapshot_id"] == report["snapshot_id"] == centre.second["duckdb"]["snapshot_id"]
    assert told["phases"] == report["phases"]
    fetched = f'snapshot_bootstrap_bytes{{dataset="duckdb"}} {float(report["bytes_fetched"])}'
    assert fetched in page
    assert node.stop() == 0


# ---------------------------------------------------------------- trouble at the start


def test_a_new_node_serves_a_snapshot_while_dynamodb_is_away_and_says_so(
    centre: Centre, make_node: Callable[..., Node]
) -> None:
    document = json.loads(json.dumps(centre.node.document))
    del document["runtime"], document["datasets"][1]
    document["datasets"][0]["params"]["endpoint_url"] = "http://127.0.0.1:9"  # nobody listens
    document["datasets"][0]["acceleration"]["snapshots"] = "bootstrap_only"
    count = "select count(*) as n from duckdb"

    node = make_node("alone", document).start().wait_ready()

    assert node.stale_sql(count) == ([{"n": len(centre.after)}], True)
    assert "127.0.0.1:9" in node.status()["problem"]["message"]
    assert node.stop() == 0


def test_sigterm_during_a_download_ends_a_node_with_0_and_leaves_no_file(
    centre: Centre, make_node: Callable[..., Node]
) -> None:
    params = centre.snapshots["params"]
    half = centre.first["duckdb"]["new_bytes"] // 2
    with held_link(params["s3_endpoint"], after_bytes=half) as link:
        document = {
            "version": "v1",
            "snapshots": {**centre.snapshots, "params": {**params, "s3_endpoint": link.url}},
            "datasets": [{"from": f"dynamodb:{centre.table}", "name": "duckdb"}],
            "runtime": {"role": "edge"},
        }
        node = make_node("held", document).start()
        node.wait_until("a half of it", lambda: link.passing < 0)
        assert node.state() == "restoring"

        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(node.stop)
            node.wait_until("stopping", lambda: bool(node.events("node_stopping")))
            link.go.set()
            assert stopping.result() == 0, node.with_log("late")

    assert len(node.events("restore_stopped")) == 1
    assert not node.path.exists()


def test_an_edge_serves_a_snapshot_and_never_calls_dynamodb(
    centre: Centre, make_node: Callable[..., Node]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}"
        document = {
            "version": "v1",
            "snapshots": centre.snapshots,
            "datasets": [{"from": f"dynamodb:{centre.table}", "name": "duckdb"}],
            "runtime": {"role": "edge"},
        }
        calls = {
            "AWS_ENDPOINT_URL_DYNAMODB": address,
            "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": address,
        }

        node = make_node("edge", document, calls).start().wait_ready()

        assert node.sql("select count(*) as n from duckdb") == [{"n": len(centre.after)}]
        assert node.status()["restore"]["decision"] == "restore"
        assert node.status()["lag_ms"] > 0  # the age of what it serves is known
        assert node.stop() == 0
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert differences(centre.after, node.items()) == ""
