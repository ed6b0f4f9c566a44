"""A node that follows a table by Kinesis and is killed in the midst of it, again and again."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import get_args

import pytest

from cdc.accelerator import Engine
from cdc.checkpoint import Checkpoint
from cdc.engines import open_accelerator
from tests.e2e.nodes import Node, differences, table_items
from tests.kinesis.world import World, world
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.kinesalite import Kinesalite
from tests.servers.moto import MotoServer
from tests.simulators.change_documents import Disorder

KILLS = 2


@pytest.fixture
def routes(
    kinesalite: Kinesalite, moto_server: MotoServer, tmp_path: Path, engine: Engine
) -> Iterator[World]:
    disorder = Disorder(window=6, soon=0.3, late=0.1)
    with world(kinesalite, moto_server, tmp_path, engine, disorder=disorder) as made:
        yield made


def follow(routes: World, engine: Engine, make_node: Callable[..., Node]) -> Node:
    section = {
        "from": f"kinesis:{routes.table.name}",
        "name": "routes",
        "params": {
            "dynamodb_region": "us-east-1",
            "dynamodb_access_key_id": "snowmelt",
            "dynamodb_secret_access_key": "secret",
            "endpoint_url": routes.front.endpoint_url,
        },
        "acceleration": {"engine": engine},
    }
    return make_node("node", {"version": "v1", "datasets": [section]})


def checkpoint_of(node: Node, engine: Engine) -> Checkpoint:
    file = open_accelerator(engine, node.path, "routes")
    try:
        stored = file.checkpoint()
    finally:
        file.close()
    assert stored is not None
    return stored


def write(routes: World, turn: int, killed: threading.Event) -> None:
    """A few changes at a time, until the node was killed and once more."""
    for some in count():
        is_last = killed.is_set()
        for number in range(6):
            key = f"r{(turn + some * number) % 50}"
            if number % 4:
                routes.put(key, v=turn * 1_000 + some * 10 + number)
            else:
                routes.delete(key)
        routes.feed.send()
        if is_last:
            return
        time.sleep(0.03)


@pytest.mark.parametrize("engine", get_args(Engine))
def test_a_node_that_is_killed_reads_on_where_it_had_committed(
    routes: World, engine: Engine, make_node: Callable[..., Node]
) -> None:
    chance = random.Random(engine)
    node = follow(routes, engine, make_node).start().wait_ready()
    scans, unread = routes.front.calls["Scan"], 0
    for turn in range(KILLS):
        killed = threading.Event()
        writer = threading.Thread(target=write, args=(routes, turn, killed))
        writer.start()
        time.sleep(chance.uniform(0.1, 0.5))
        node.kill()
        killed.set()
        writer.join()
        open_shards = routes.stream.open_shards()
        if turn % 2:
            routes.stream.merge(*open_shards[-2:])
        else:
            routes.stream.split(open_shards[0])
        unread = routes.unread(checkpoint_of(node, engine))
        assert unread > 0
        node.start().wait_until("an answer", node.answers)
        node.wait_for_records(unread)

    again = routes.feed.send_again()
    node.wait_for_records(unread + again)
    assert node.status()["records_total"] == unread + again
    assert node.stop() == 0
    assert routes.unread(checkpoint_of(node, engine)) == 0
    assert routes.front.calls["Scan"] == scans
    server = DynamoDBLocal(routes.front.dynamodb_url)
    assert differences(table_items(server, routes.table.name, ("id",)), node.items()) == ""
