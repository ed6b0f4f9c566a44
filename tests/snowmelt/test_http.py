"""Both listeners of a real node: what they answer, and what they refuse without an effect."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cdc.hostile_duckdb import HOSTILE as HOSTILE_DUCKDB
from tests.cdc.hostile_sqlite import HOSTILE as HOSTILE_SQLITE
from tests.servers.dynamodb_local import DynamoDBLocal, Table
from tests.snowmelt.nodes import Running, files_in, running
from tests.snowmelt.places import NOBODY

ITEMS = 60
ENGINES = ("duckdb", "sqlite")


def dataset(server: DynamoDBLocal, table: Table, engine: str, home: Path) -> dict[str, Any]:
    return {
        "from": f"dynamodb:{table.name}",
        "name": f"copy_{engine}",
        "params": {
            "endpoint_url": server.endpoint_url,
            "dynamodb_region": server.region,
            "dynamodb_access_key_id": server.access_key,
            "dynamodb_secret_access_key": server.secret_key,
        },
        "acceleration": {"engine": engine, "path": str(home / f"{engine}.db")},
    }


@pytest.fixture(scope="module")
def server(dynamodb_local_server: DynamoDBLocal) -> DynamoDBLocal:
    return dynamodb_local_server.alone()


@pytest.fixture(scope="module")
def table(server: DynamoDBLocal) -> Table:
    made = server.table("pipelines", keys=(("pk", "S"), ("sk", "N")))
    for number in range(ITEMS):
        key = {"pk": {"S": f"route#{number}"}, "sk": {"N": "7"}}
        item = {**key, "weight": {"N": "1.50"}, "note": {"S": "größer 🏔"}}
        server.dynamodb().put_item(TableName=made.name, Item=item)
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("http")


@pytest.fixture(scope="module")
def node(server: DynamoDBLocal, table: Table, home: Path) -> Iterator[Running]:
    """A ready node of two datasets; the first of them publishes."""
    first, second = (dataset(server, table, engine, home) for engine in ENGINES)
    first["acceleration"]["snapshots"] = "enabled"
    first["acceleration"]["snapshots_trigger_threshold"] = "1h"
    first["metrics"] = [{"name": "lag_ms"}, {"name": "shards_active", "enabled": False}]
    snapshots = {"location": f"file://{home}/store"}
    config = {"version": "v1", "snapshots": snapshots, "datasets": [first, second]}
    with running(config) as started:
        started.wait_until_ready()
        yield started


# ---------------------------------------------------------------- admin


def test_dynamodb_local_threads_of_a_node_take_short_turns(node: Running) -> None:
    assert node.admin.get("/health").text == "ok"
    assert sys.getswitchinterval() < 0.001


def test_dynamodb_local_a_node_is_alive_and_says_why_it_is_not_ready(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    missing = Table("nowhere", None, None)
    with running(
        {"version": "v1", "datasets": [dataset(dynamodb_local, missing, "duckdb", tmp_path)]}
    ) as started:
        started.wait_for(lambda one: "no such table" in one.admin.get("/v1/ready").text)
        answer = started.admin.get("/v1/ready")
        told = started.admin.get("/v1/ready?format=json").json()
        refused = started.sql("SELECT 1")
        item = started.query.post("/v1/datasets/copy_duckdb/item", content='["a", "1"]')

        assert started.admin.get("/health").text == "ok"

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.text.startswith("not ready: copy_duckdb: dynamodb:DescribeTable")
    assert told["ready"] is False
    assert len(told["waiting_for"]) == 1
    for one in (refused, item):
        assert one.status_code == 503
        assert one.headers["Retry-After"]
        assert "no such table" in one.json()["error"]


@pytest.mark.parametrize("path", ["/v1/ready", "/readyz"])
def test_dynamodb_local_a_node_that_caught_up_is_ready(node: Running, path: str) -> None:
    answer = node.admin.get(path)

    assert (answer.status_code, answer.text) == (200, "ready")


@pytest.mark.parametrize("path", ["/health", "/livez"])
def test_dynamodb_local_a_node_that_runs_is_alive(node: Running, path: str) -> None:
    assert node.admin.get(path).text == "ok"


def has_counted(node: Running) -> bool:
    """Rows are counted every few seconds."""
    datasets = node.admin.get("/v1/status").json()["datasets"]
    return all(dataset["rows"] == ITEMS for dataset in datasets)


def test_dynamodb_local_the_status_holds_every_dataset(node: Running) -> None:
    node.wait_for(has_counted)
    first, second = node.admin.get("/v1/status").json()["datasets"]

    assert (first["name"], second["name"]) == ("copy_duckdb", "copy_sqlite")
    for one in (first, second):
        assert one["ready"]
        assert one["state"] == "ready"
        assert one["problem"] is None
        assert one["lineage_id"]
    assert first["snapshot"]["enabled"]
    assert second["snapshot"] is None


def test_dynamodb_local_the_metrics_page_is_text_for_prometheus(node: Running) -> None:
    node.wait_for(has_counted)
    answer = node.admin.get("/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'dataset_dynamodb_rows{dataset="copy_sqlite"} 60.0' in answer.text
    assert 'dataset_dynamodb_lag_ms{dataset="copy_duckdb"}' in answer.text
    assert 'dataset_dynamodb_shards_active{dataset="copy_duckdb"}' not in answer.text
    assert 'dataset_dynamodb_shards_active{dataset="copy_sqlite"}' in answer.text


@pytest.mark.parametrize("path", ["/v1/sql", "/v1/datasets", "/", "/v1/status/"])
def test_dynamodb_local_the_admin_listener_has_no_other_path(node: Running, path: str) -> None:
    assert node.admin.get(path).status_code in (307, 404)
    assert node.admin.post("/v1/sql", content="SELECT 1").status_code == 404


# ---------------------------------------------------------------- query


@pytest.mark.parametrize("engine", ENGINES)
def test_dynamodb_local_rows_come_as_json(node: Running, engine: str) -> None:
    answer = node.sql(
        f"SELECT pk, sk, weight, note FROM copy_{engine} WHERE pk = 'route#3'", f"copy_{engine}"
    )

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Snowmelt-Rows"] == "1"
    assert "X-Snowmelt-Truncated" not in answer.headers
    assert "X-Snowmelt-Stale" not in answer.headers
    (row,) = answer.json()
    assert row["pk"] == "route#3"
    assert row["sk"] == 7
    assert row["note"] == "größer 🏔"


@pytest.mark.parametrize("engine", ENGINES)
def test_dynamodb_local_a_dataset_is_found_by_its_name_in_the_statement(
    node: Running, engine: str
) -> None:
    answer = node.sql(f"SELECT count(*) AS n FROM copy_{engine}")

    assert answer.json() == [{"n": ITEMS}]


@pytest.mark.parametrize("engine", ENGINES)
def test_dynamodb_local_a_long_result_is_cut_and_says_so(node: Running, engine: str) -> None:
    name = f"copy_{engine}"
    answer = node.sql(f"SELECT a.pk FROM {name} a, {name} b, {name} c", name)

    assert answer.status_code == 200
    assert answer.headers["X-Snowmelt-Truncated"] == "true"
    assert answer.headers["X-Snowmelt-Rows"] == "10000"
    assert len(answer.json()) == 10_000


@pytest.mark.parametrize("engine", ENGINES)
def test_dynamodb_local_an_answer_is_json_whatever_the_numbers(node: Running, engine: str) -> None:
    columns = {
        "duckdb": "'inf'::DOUBLE AS a, NULL AS b, '\\x00\\xFF'::BLOB AS c",
        "sqlite": "9e999 AS a, NULL AS b, x'00ff' AS c",
    }
    answer = node.sql(f"SELECT {columns[engine]}", f"copy_{engine}")

    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is no JSON")

    (row,) = json.loads(answer.content, parse_constant=refuse)
    assert row == {"a": {"duckdb": "inf", "sqlite": "Infinity"}[engine], "b": None, "c": "AP8="}


@pytest.mark.parametrize("engine", ENGINES)
def test_dynamodb_local_columns_of_one_name_are_not_lost(node: Running, engine: str) -> None:
    answer = node.sql("SELECT 1 AS a, 2 AS a", f"copy_{engine}")

    assert answer.json() == [{"a": 1, "a_1": 2}]


@pytest.mark.parametrize(
    "statement, dataset, status",
    [
        ("SELEC 1", "copy_duckdb", 400),
        (b"SELECT '\xff'", "copy_duckdb", 400),
        ("SELECT 1", None, 404),
        ("SELECT 1", "nobody", 404),
        ("SELECT '" + "x" * 300_000 + "'", "copy_sqlite", 413),
    ],
    ids=["syntax", "bytes", "which dataset", "no such dataset", "too long"],
)
def test_dynamodb_local_a_wrong_request_is_told_what_is_wrong(
    node: Running, statement: str | bytes, dataset: str | None, status: int
) -> None:
    answer = node.sql(statement, dataset)

    assert answer.status_code == status
    assert answer.json()["error"]


def test_dynamodb_local_a_query_that_takes_too_long_is_ended(node: Running) -> None:
    name = "copy_duckdb"
    joined = ", ".join(f"{name} t{number}" for number in range(8))
    began = time.monotonic()

    answer = node.sql(f"SELECT count(*) FROM {joined}", name)

    assert answer.status_code == 408
    assert time.monotonic() - began < 100


def test_dynamodb_local_the_datasets_are_listed_in_the_peers_words(node: Running) -> None:
    first, second = node.query.get("/v1/datasets").json()

    assert first["name"] == "copy_duckdb"
    assert (first["status"], second["status"]) == ("Ready", "Ready")
    assert first["replication_enabled"] is True


@pytest.mark.parametrize("engine", ENGINES)
def test_dynamodb_local_an_item_is_exact(node: Running, engine: str) -> None:
    answer = node.query.post(f"/v1/datasets/copy_{engine}/item", content='["route#3", "7.0"]')

    assert answer.json()["item"] == {
        "pk": {"S": "route#3"},
        "sk": {"N": "7"},
        "weight": {"N": "1.5"},
        "note": {"S": "größer 🏔"},
    }


def test_dynamodb_local_an_item_that_is_not_there_is_null(node: Running) -> None:
    answer = node.query.post("/v1/datasets/copy_sqlite/item", content='["route#99", "7"]')

    assert (answer.status_code, answer.json()) == (200, {"item": None})


@pytest.mark.parametrize(
    "content", ["", "[]", '["route#3"]', '["route#3", 7]', "{}", '["route#3", "seven"]', b"\xff"]
)
def test_dynamodb_local_a_key_that_does_not_fit_is_refused(
    node: Running, content: str | bytes
) -> None:
    answer = node.query.post("/v1/datasets/copy_duckdb/item", content=content)

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_dynamodb_local_a_snapshot_is_made_when_asked_for(node: Running) -> None:
    path = "/v1/datasets/copy_duckdb/acceleration/snapshots"
    node.wait_for(lambda one: one.query.post(path).status_code == 201)  # after the first by itself

    report = node.query.post(path).json()

    assert report["reason"] == "asked for"
    assert report["snapshot_id"]


def test_dynamodb_local_a_dataset_without_snapshots_says_so(node: Running) -> None:
    answer = node.query.post("/v1/datasets/copy_sqlite/acceleration/snapshots")

    assert answer.status_code == 409
    assert answer.json()["exit_code"] == 4
    assert "set acceleration.snapshots" in answer.json()["hint"]


def test_dynamodb_local_without_upstream_a_complete_file_is_served_and_labelled(
    server: DynamoDBLocal, table: Table, tmp_path: Path
) -> None:
    section = dataset(server, table, "sqlite", tmp_path)
    config = {"version": "v1", "datasets": [section]}
    with running(config) as started:
        started.wait_until_ready()
    section["params"]["endpoint_url"] = f"http://{NOBODY}"

    with running(config) as again:
        again.wait_until_ready()
        answer = again.sql("SELECT count(*) AS n FROM copy_sqlite")

    assert answer.json() == [{"n": ITEMS}]
    assert answer.headers["X-Snowmelt-Stale"] == "true"


# ---------------------------------------------------------------- who may ask


@pytest.mark.parametrize(
    "host", ["attacker.example", "attacker.example:8090", "", "127.0.0.1.attacker.example", "["]
)
def test_dynamodb_local_a_host_of_another_name_is_refused(node: Running, host: str) -> None:
    """DNS rebinding: the page's own name leads to this machine, and is in the header."""
    answer = node.query.post("/v1/sql", content="SELECT 1 FROM copy_sqlite", headers={"Host": host})

    assert answer.status_code in (400, 421)
    assert "1" not in answer.text or answer.status_code == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:1234", "[::1]:8090"])
def test_dynamodb_local_names_of_this_machine_are_answered(node: Running, host: str) -> None:
    assert node.query.get("/v1/datasets", headers={"Host": host}).status_code == 200


def test_a_unix_socket_is_reached_by_no_web_page_and_takes_any_host(tmp_path: Path) -> None:
    server = DynamoDBLocal(endpoint_url=f"http://{NOBODY}")
    section = dataset(server, Table("nowhere", None, None), "sqlite", tmp_path)
    socket = tmp_path / "query.sock"
    config = {"version": "v1", "datasets": [section], "runtime": {"query": f"unix://{socket}"}}
    with running(config), httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as client:
        listed = client.get("http://any.example/v1/datasets")
        mode = socket.stat().st_mode & 0o777

    assert [one["name"] for one in listed.json()] == ["copy_sqlite"]
    assert mode == 0o600
    assert not socket.exists()


def test_dynamodb_local_a_web_page_is_refused(node: Running) -> None:
    path = "/v1/datasets/copy_duckdb/acceleration/snapshots"

    for origin in ("https://attacker.example", "null"):
        assert node.query.post(path, headers={"Origin": origin}).status_code == 403
    assert node.query.get("/v1/datasets", headers={"Origin": "http://localhost"}).status_code == 200


# ---------------------------------------------------------------- hostile statements


def hostile(engine: str, home: Path) -> list[str]:
    """Statements that are refused by themselves, not because they would take long."""
    if engine == "sqlite":
        refused = [text for _, text, statuses in HOSTILE_SQLITE if statuses == {400}]
        return [text.replace("flights", "copy_sqlite") for text in refused]
    other, new = home / "other.csv", home / "new.csv"
    other.write_text("secret,1\n")
    names = {"dataset": "copy_duckdb", "path": home / "duckdb.db", "other": other, "new": new}
    return [text.format(**names) for text in HOSTILE_DUCKDB]


def lasting(home: Path) -> set[str]:
    """Files but for snapshots and the engines' logs, which come and go with commits."""
    logs = (".wal", "-wal", "-shm", "-journal")
    return {
        path for path in files_in(home) if not (path.startswith("store/") or path.endswith(logs))
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_dynamodb_local_hostile_statements_are_refused_and_have_no_effect(
    node: Running, home: Path, engine: str
) -> None:
    name = f"copy_{engine}"
    statements = hostile(engine, home)
    assert len(statements) >= 30
    settled = lasting(home)

    answers = {text: node.sql(text.encode(errors="surrogatepass"), name) for text in statements}

    accepted = {text: one.text for text, one in answers.items() if not 400 <= one.status_code < 500}
    assert accepted == {}
    assert all(one.json()["error"] for one in answers.values())
    assert lasting(home) == settled
    assert node.sql(f"SELECT count(*) AS n FROM {name}", name).json() == [{"n": ITEMS}]
    assert node.admin.get("/v1/ready").status_code == 200
