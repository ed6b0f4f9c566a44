"""Finding the Kinesis stream of a table, reading it, and what its states and errors mean."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdc.aws import AwsParams
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import resumable_until
from cdc.engines import open_accelerator
from cdc.errors import (
    DestinationDisabled,
    IteratorExpired,
    Permanent,
    ShardNotFound,
    StreamDisabled,
    StreamEnabling,
    TableNotFound,
    Trimmed,
)
from cdc.kinesis import KinesisSource
from cdc.position import After, At, FromStart
from tests.cdc.follower import is_ready, wait
from tests.servers.dynamodb_local import DynamoDBLocal, Table
from tests.servers.kinesalite import Kinesalite, Stream
from tests.servers.kinesis_front import KinesisFront, kinesis_front
from tests.servers.moto import MotoServer
from tests.simulators.kinesis_feed import KinesisFeed

DAY = 24 * 3600.0


class Account:
    """A table with a stream, and one endpoint for both."""

    def __init__(self, front: KinesisFront, table: Table, stream: Stream) -> None:
        self.front, self.table, self.stream = front, table, stream
        self.params = AwsParams(
            region="us-east-1",
            auth="key",
            access_key_id="snowmelt",
            secret_access_key="secret",
            endpoint_url=front.endpoint_url,
        )
        self.source = KinesisSource(table.name, self.params)

    def enable(self, status: str = "ACTIVE") -> None:
        self.front.enable(self.table.name, self.stream.arn, status=status)


@pytest.fixture
def account(kinesalite: Kinesalite, moto_server: MotoServer) -> Iterator[Account]:
    with kinesis_front(moto_server.endpoint_url, kinesalite.endpoint_url) as front:
        table = DynamoDBLocal(moto_server.endpoint_url).table("routes", view=None)
        yield Account(front, table, kinesalite.stream(table.name))


# ---------------------------------------------------------------- which stream


@pytest.mark.parametrize("status", ["ACTIVE", "UPDATING"])
def test_the_stream_is_that_of_the_tables_destination(account: Account, status: str) -> None:
    account.enable(status)

    found = account.source.describe()

    assert found.stream_arn == account.stream.arn
    assert found.retention_seconds == DAY
    assert not found.is_ordered
    assert not found.tells_trimmed


def test_a_stream_that_is_named_is_not_asked_for(account: Account) -> None:
    source = KinesisSource(account.table.name, account.params, stream_arn=account.stream.arn)

    assert source.describe().stream_arn == account.stream.arn
    assert account.front.calls["DescribeKinesisStreamingDestination"] == 0


def test_an_older_destination_that_is_disabled_is_passed_over(account: Account) -> None:
    account.front.enable(account.table.name, f"{account.stream.arn}-old", status="DISABLED")
    account.enable()

    assert account.source.describe().stream_arn == account.stream.arn


@pytest.mark.parametrize("status", ["DISABLING", "DISABLED", "ENABLE_FAILED"])
def test_a_destination_that_delivers_nothing_is_refused_with_its_state(
    account: Account, status: str
) -> None:
    account.enable(status)

    with pytest.raises(
        DestinationDisabled, match=f"table {account.table.name} is {status}$"
    ) as got:
        account.source.describe()
    assert "enable-kinesis-streaming-destination" in got.value.hint


def test_a_table_without_a_destination_is_refused(account: Account) -> None:
    with pytest.raises(DestinationDisabled, match="has no Kinesis destination"):
        account.source.describe()


def test_a_destination_that_is_being_enabled_is_worth_waiting_for(account: Account) -> None:
    account.enable("ENABLING")

    with pytest.raises(StreamEnabling):
        account.source.describe()


def test_a_stream_or_table_that_does_not_exist_is_named(account: Account) -> None:
    account.front.enable(account.table.name, f"{account.stream.arn}-none")
    with pytest.raises(StreamDisabled, match="kinesis:DescribeStreamSummary on Kinesis stream of"):
        account.source.describe()
    with pytest.raises(TableNotFound):
        KinesisSource("nowhere", account.params).describe()


def test_an_endpoint_without_the_call_says_what_to_set(
    moto_server: MotoServer, account: Account, dynamodb_local: DynamoDBLocal
) -> None:
    table = dynamodb_local.table("routes", view=None)
    params = replace(
        account.params,
        endpoint_url=dynamodb_local.endpoint_url,
        access_key_id=dynamodb_local.access_key,
    )
    with pytest.raises(Permanent) as got:
        KinesisSource(table.name, params).describe()
    assert "kinesis_stream_arn" in got.value.hint


# ---------------------------------------------------------------- reading


def test_iterators_begin_where_the_position_says(account: Account) -> None:
    account.enable()
    feed = KinesisFeed(account.stream, account.table.name)
    for number in range(3):
        feed.put(id={"S": str(number)})
    feed.send()
    (shard,) = account.source.list_shards().shards

    def read(position: Any) -> list[str]:
        raw = account.source.get_records(account.source.open_iterator(shard.shard_id, position))
        return [record.sequence for record in raw.parse(raw.body).records]

    every = read(FromStart())
    assert len(every) == 3
    assert read(At(every[1])) == every[1:]
    assert read(After(every[1])) == every[2:]
    assert read(FromStart(skip_before=account.source.now() - 60)) == every


def test_shards_are_listed_with_both_parents_and_children_are_found(account: Account) -> None:
    account.enable()
    (parent,) = account.stream.open_shards()
    left, right = account.stream.split(parent)
    merged = account.stream.merge(left, right)

    shards = {shard.shard_id: shard for shard in account.source.list_shards().shards}
    assert (shards[merged].parent_id, shards[merged].adjacent_id) == (left, right)
    assert shards[left].is_closed
    for one in (left, right):
        children = account.source.list_children(one).shards
        assert [child.shard_id for child in children] == [merged]


def test_what_closed_before_a_time_is_left_out_of_all_pages_of_a_listing(
    account: Account, kinesalite: Kinesalite
) -> None:
    account.enable()
    (one,) = account.stream.open_shards()
    two, three = account.stream.split(one)
    kinesalite.advance(hours=2)
    four, five = account.stream.split(two)

    assert account.source.list_since(kinesalite.now() - 3_600) == {two, three, four, five}
    assert one in account.source.list_since(kinesalite.now() - 3 * 3_600)


def test_refusals_are_told_in_the_words_of_the_contract(
    account: Account, kinesalite: Kinesalite
) -> None:
    account.enable()
    with pytest.raises(ShardNotFound):
        account.source.open_iterator("shardId-000000000099", FromStart())
    (shard,) = account.stream.open_shards()
    iterator = account.source.open_iterator(shard, FromStart())
    kinesalite.advance(minutes=6)
    with pytest.raises(IteratorExpired):
        account.source.get_records(iterator)
    with pytest.raises(IteratorExpired):
        account.source.get_records("nonsense")


# ---------------------------------------------------------------- a destination that was disabled


def test_a_gap_by_a_disabled_destination_is_remembered_by_the_file(
    account: Account, tmp_path: Path
) -> None:
    account.enable()
    keys = account.source.describe().keys
    file = open_accelerator("sqlite", tmp_path / "file", "routes", keys=keys, create=True)

    def capture(until: Any = None) -> Capture:
        stop = threading.Event()
        settings = CaptureSettings(shard_calls_per_second=50.0)
        made = Capture(account.source, file, settings=settings, generation=1, stop=stop)
        if until is None:
            made.run()
            return made
        thread = threading.Thread(target=made.run)
        thread.start()
        wait(lambda: until(made.status()))
        stop.set()
        thread.join(90)
        return made

    capture(is_ready)
    account.enable("DISABLED")
    with pytest.raises(DestinationDisabled):
        capture()
    account.enable()

    with pytest.raises(Trimmed, match="was disabled, and enabled again"):
        capture()
    stored = file.checkpoint()
    assert stored is not None
    assert (resumable_until(stored) or 0) < account.source.now()
    file.close()
