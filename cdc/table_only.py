"""A table that is read by Scan alone: whether it has a stream is neither asked nor needed.

To capture it is a table whose stream has no shard: a bootstrap that is over once the scan is. Its
lineage names no stream, so a file that is followed and one that is read anew are never mixed up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdc.dynamodb import DynamoDbSource
from cdc.source import ShardListing


class TableSource(DynamoDbSource):
    """As its base, without a call of Streams and without its permissions."""

    def list_shards(self, begun: ShardListing | None = None) -> ShardListing:  # noqa: ARG002 - see base
        return ShardListing((), is_complete=True, stream_is_enabled=False, listed_at=self.now())

    def _stream_of(self, table: Mapping[str, Any]) -> tuple[str, str]:  # noqa: ARG002 - see base
        return "", ""
