"""Capture of real tables by Scan alone: no stream is needed, asked or waited for."""

from pathlib import Path

import pytest

from cdc.dynamodb import DynamoDbSource
from cdc.errors import LineageChanged
from cdc.table_only import TableSource
from tests.cdc.follower import Follower, number, text
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.proxy import fault_proxy


class Reader(Follower):
    source_type: type[DynamoDbSource] = TableSource


@pytest.mark.parametrize("view", [None, "KEYS_ONLY"])
def test_a_table_is_read_whatever_its_stream_is_like_and_never_called_followed(
    dynamodb_local: DynamoDBLocal, tmp_path: Path, view: str | None
) -> None:
    table, path = dynamodb_local.table(view=view), tmp_path / "file"
    with fault_proxy(dynamodb_local.endpoint_url) as proxy:
        reader = Reader(dynamodb_local, table, path, "sqlite", proxy.endpoint_url)
        for index in range(30):
            reader.put(id=text(f"route-{index}"), weight=number(index / 4))

        with reader.running() as capture:
            status = capture.status()
            assert reader.equals_the_table()

    checkpoint = status.checkpoint
    assert checkpoint is not None
    assert status.watermark == checkpoint.scan.started_at
    assert checkpoint.scan.ended_at is not None
    assert (status.lag_ms, status.resumable_until, dict(status.shards)) == (None, None, {})
    assert not checkpoint.lineage.has_stream
    assert {exchange.action for exchange in proxy.exchanges} == {"DescribeTable", "Scan"}


def test_a_file_of_a_table_without_its_stream_is_not_followed_on(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    reader = Reader(dynamodb_local, dynamodb_local.table(), tmp_path / "file", "sqlite")
    reader.put(id=text("a"))
    with reader.running():
        pass

    reader.source_type = DynamoDbSource
    with pytest.raises(LineageChanged, match="no stream then, arn:"), reader.running():
        pass
