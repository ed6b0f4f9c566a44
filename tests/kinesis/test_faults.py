"""A stream that is reached over lines that break, and a service that throttles."""

import pytest

from tests.cdc.follower import wait
from tests.kinesis.world import SECONDS, World
from tests.servers import faults
from tests.servers.faults import action, dynamodb_refusal, every_nth
from tests.servers.proxy import fault_proxy

pytestmark = pytest.mark.parametrize("engine", ["sqlite"])

LIMITED = dynamodb_refusal(400, "LimitExceededException")
KINESIS = action("ListShards", "GetShardIterator", "GetRecords")
WEATHER = [
    faults.THROTTLED,
    faults.RESET,
    faults.CUT_SHORT,
    LIMITED,
    faults.LOST_ANSWER,
    faults.DYNAMODB_ERROR,
]


def test_a_throttled_stream_on_a_line_that_breaks_is_read_once(routes: World) -> None:
    with (
        fault_proxy(routes.front.endpoint_url) as proxy,
        routes.follower_at(proxy.endpoint_url).running() as capture,
    ):
        third = every_nth(3)
        rules = [
            proxy.fail(fault, lambda each: KINESIS(each) and third(each), times=2)
            for fault in WEATHER
        ]
        sent = 0
        for turn in range(4):
            for number in range(10):
                routes.put(f"r{number}", v=turn)
            sent += routes.feed.send()
            if turn == 1:
                routes.stream.split(routes.stream.open_shards()[0])
            routes.settled_records(capture, sent)
        wait(lambda: all(rule.left == 0 for rule in rules), SECONDS)

        routes.settled(capture, sent)
        assert capture.status().records_total == sent
        assert capture.status().dropped.duplicates == 0


def test_a_tie_waits_until_the_table_can_be_read(routes: World) -> None:
    with (
        fault_proxy(routes.front.endpoint_url) as proxy,
        routes.follower_at(proxy.endpoint_url).running() as capture,
    ):
        refused = proxy.fail(faults.THROTTLED, action("GetItem"), times=5)
        with routes.feed.one_instant():
            for value in (1, 2, 1, 2, 5):
                routes.put("a", v=value)
        tied = routes.feed.table.log
        routes.feed.skip()
        routes.feed.send_to(routes.stream.open_shards()[0], tied[2], tied[1], tied[4])

        routes.settled(capture, 3)
        assert (refused.hits, routes.front.calls["GetItem"]) == (5, 1)
