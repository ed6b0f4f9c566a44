"""Capture of real tables in DynamoDB Local, with threads and a real clock, compared with a Scan."""

import threading
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from cdc.accelerator import Engine
from cdc.errors import StreamDisabled, TableNotFound
from tests.cdc.follower import Follower, number, text, wait
from tests.servers.dynamodb_local import DynamoDBLocal, Table


@pytest.fixture(params=get_args(Engine))
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


def test_a_table_is_bootstrapped_and_followed_item_by_item(
    dynamodb_local: DynamoDBLocal, tmp_path: Path, engine: Engine
) -> None:
    follower = Follower(dynamodb_local, dynamodb_local.table(), tmp_path / "file", engine)
    for index in range(120):
        follower.put(
            id=text(f"route-{index}"),
            weight=number(index / 4),
            tags={"SS": ["a", f"t{index}"]},
            target={"M": {"host": text("h"), "ports": {"L": [number(80), {"NULL": True}]}}},
            blob={"B": bytes([index])},
            on={"BOOL": index % 2 == 0},
        )

    with follower.running():
        assert follower.equals_the_table()
        follower.put(id=text("new"), weight=number("1E-5"), Weight=text("another spelling"))
        follower.put(id=text("route-7"), weight=text("a word now"))
        follower.delete(id=text("route-8"))
        wait(follower.equals_the_table)


@pytest.mark.parametrize("kind", ["S", "N", "B"])
def test_keys_of_each_type_identify_their_items(
    dynamodb_local: DynamoDBLocal, tmp_path: Path, engine: Engine, kind: str
) -> None:
    values: dict[str, list[Any]] = {
        "S": ["a", "ä", "1"],
        "N": ["1", "-2.5", "10"],
        "B": [b"\x00", b"\xff\xfe", b"1"],
    }
    table = dynamodb_local.table(keys=[("id", kind)])
    follower = Follower(dynamodb_local, table, tmp_path / "file", engine)
    for value in values[kind]:
        follower.put(id={kind: value}, v=number(1))

    with follower.running():
        follower.put(id={kind: values[kind][0]}, v=number(2))
        follower.delete(id={kind: values[kind][1]})
        wait(follower.equals_the_table)
        assert follower.file.row_count() == 2


@pytest.mark.parametrize("kind", ["S", "N", "B"])
def test_a_sort_key_of_each_type_tells_items_of_a_partition_apart(
    dynamodb_local: DynamoDBLocal, tmp_path: Path, kind: str
) -> None:
    values: dict[str, list[Any]] = {"S": ["x", "y"], "N": ["7", "8"], "B": [b"x", b"\x00y"]}
    table = dynamodb_local.table(keys=[("pk", "S"), ("sk", kind)])
    follower = Follower(dynamodb_local, table, tmp_path / "file", "duckdb")
    for value in values[kind]:
        follower.put(pk=text("p"), sk={kind: value}, v=number(1))

    with follower.running():
        follower.put(pk=text("p"), sk={kind: values[kind][0]}, v=number(2))
        follower.delete(pk=text("p"), sk={kind: values[kind][1]})
        wait(follower.equals_the_table)
        assert follower.file.row_count() == 1


def test_writes_while_the_scan_runs_are_not_lost(
    dynamodb_local: DynamoDBLocal, tmp_path: Path, engine: Engine
) -> None:
    follower = Follower(dynamodb_local, dynamodb_local.table(), tmp_path / "file", engine)
    for index in range(200):
        follower.put(id=text(f"k-{index}"), v=number(index))
    stop = threading.Event()

    def write() -> None:
        client, turn = dynamodb_local.dynamodb(), 0
        while not stop.is_set():
            turn += 1
            key = {"id": text(f"k-{turn * 7 % 220}")}
            client.put_item(TableName=follower.table.name, Item={**key, "v": number(-turn)})
            if turn % 5 == 0:
                client.delete_item(TableName=follower.table.name, Key=key)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with follower.running(lambda status: status.scan.ended_at is not None):
            time.sleep(1.0)
            stop.set()
            writer.join()
            wait(follower.equals_the_table)
    finally:
        stop.set()
        writer.join()


def test_a_restart_reads_on_without_a_scan(
    dynamodb_local: DynamoDBLocal, tmp_path: Path, engine: Engine
) -> None:
    follower = Follower(dynamodb_local, dynamodb_local.table(), tmp_path / "file", engine)
    follower.put(id=text("a"), v=number(1))
    with follower.running() as capture:
        first = capture.status().checkpoint
    follower.put(id=text("b"), v=number(2))
    follower.delete(id=text("a"))

    with follower.running() as capture:
        wait(lambda: capture.status().records_total >= 2)  # a moment later than the file
        assert follower.equals_the_table()
        second = capture.status().checkpoint
        assert first is not None
        assert second is not None
        assert second.scan == first.scan
        assert second.lineage == first.lineage
        assert capture.status().records_total == 2


def test_a_write_to_an_idle_table_is_seen_within_two_seconds(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    follower = Follower(dynamodb_local, dynamodb_local.table(), tmp_path / "file", "duckdb")

    seconds: list[float] = []
    with follower.running():
        time.sleep(3.0)
        # Of several, because a busy machine may hold any one up.
        while min(seconds, default=2.0) >= 2.0 and len(seconds) < 8:
            follower.put(id=text("late"), v=number(len(seconds)))
            began = time.monotonic()
            wait(follower.equals_the_table)
            seconds.append(time.monotonic() - began)

    assert min(seconds) < 2.0


def test_a_table_without_a_stream_is_refused(dynamodb_local: DynamoDBLocal, tmp_path: Path) -> None:
    follower = Follower(dynamodb_local, dynamodb_local.table(view=None), tmp_path / "f", "duckdb")

    with pytest.raises(StreamDisabled, match="no enabled stream"), follower.running():
        pass


def test_a_table_that_does_not_exist_is_refused(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    follower = Follower(dynamodb_local, Table("nowhere", None, None), tmp_path / "f", "duckdb")

    with pytest.raises(TableNotFound, match="nowhere"), follower.running():
        pass
