"""Whole captures on a real Kinesis: the file shows the table, and nothing of the stream's ways."""

from pathlib import Path

import pytest

from cdc.accelerator import Engine
from tests.kinesis.world import World, world
from tests.servers.kinesalite import Kinesalite
from tests.servers.moto import MotoServer
from tests.simulators.change_documents import Delivery, Disorder, Unit

UNITS: list[Unit] = ["us", "ms", "ms unsaid"]
ONE_ENGINE = pytest.mark.parametrize("engine", ["duckdb"])


def test_changes_that_come_twice_and_out_of_order_through_a_split_and_a_merge_end_as_the_table(
    kinesalite: Kinesalite, moto_server: MotoServer, tmp_path: Path, engine: Engine
) -> None:
    disorder = Disorder(window=6, soon=0.3, late=0.3)
    with world(kinesalite, moto_server, tmp_path / "file", engine, disorder=disorder) as made:
        feed, stream = made.feed, made.stream
        another = made.another_feed("airports")
        others = [Delivery(b"\xff no JSON", "p"), Delivery(b'{"tableName": 7}', "q")]
        for number in range(30):
            made.put(f"r{number}", v=number)
        feed.skip()  # from before the destination was enabled: only the scan has these
        with made.follower.running() as capture:
            sent = 0
            for turn in range(6):
                feed.unit = UNITS[turn % 3]
                for number in range(25):
                    key = f"r{(turn * 7 + number) % 40}"
                    if (turn + number) % 5:
                        made.put(key, v=turn * 100 + number)
                    else:
                        made.delete(key, ttl=number % 2 == 0)
                    another.put(id={"S": key}, v={"N": "-1"})
                sent += feed.send()
                another.send()
                if turn == 1:
                    sent += feed.deliver(others)
                    stream.split(stream.open_shards()[0])
                if turn == 3:
                    stream.merge(*stream.open_shards()[-2:])
            sent += feed.send_again()

            made.settled(capture, sent)
            assert capture.status().records_total == sent
            assert capture.status().dropped.duplicates > 0
            assert capture.status().quarantined_total == len(others)


@ONE_ENGINE
def test_a_reader_whose_iterators_expired_goes_on_where_it_was(routes: World) -> None:
    with routes.follower.running() as capture:
        routes.put("a", v=1)
        routes.settled(capture, routes.feed.send())
        routes.advance(minutes=6)
        routes.put("a", v=2)
        routes.settled(capture, 1 + routes.feed.send())

        assert capture.status().iterator_refreshes_total > 0
        assert capture.status().records_total == 2


def test_a_late_duplicate_brings_no_deleted_item_back(routes: World) -> None:
    with routes.follower.running() as capture:
        routes.put("a", v=1)
        routes.put("b", v=1)
        routes.delete("a", ttl=True)
        routes.settled(capture, routes.feed.send())
        assert capture.status().ttl_deletes_total == 1
    routes.advance(hours=3)
    made = routes.feed.table.log[0]

    with routes.follower.running() as capture:  # in a file that was closed since
        routes.put("b", v=2)
        sent = routes.feed.send_again([made]) + routes.feed.send()
        routes.settled(capture, sent)
        assert routes.values() == {"b": "2"}
