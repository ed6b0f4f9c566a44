"""Listing the shards of a stream: page by page, within one budget of calls for each stream.

The service refuses more than ten DescribeStream calls a second, of all who read the stream. Every
call of this process takes its turn here, by the stream's name: pages of one listing, repetitions by
the SDK, and the other datasets of the node that follow the same table.

A listing whose page is refused is given as far as it came (`last_id`), and can be gone on with:
among thousands of shards a listing that starts over for every refusal may never end.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from cdc.errors import Retryable, SourceUnreachable
from cdc.source import ListedShard, ShardListing

CALLS_PER_SECOND = 5.0

Page = Mapping[str, Any]


class CallBudget:
    """Turns that are a fifth of a second apart. Thread-safe."""

    def __init__(self, calls_per_second: float = CALLS_PER_SECOND) -> None:
        self._apart_seconds = 1 / calls_per_second
        self._next_at = 0.0
        self._lock = threading.Lock()

    def reserve(self, now: float) -> float:
        """Take the next turn; how many seconds there are until then."""
        with self._lock:
            at = max(now, self._next_at)
            self._next_at = at + self._apart_seconds
        return at - now


_budgets: dict[str, CallBudget] = {}
_adding = threading.Lock()


def await_turn(stream_arn: str) -> None:
    """Wait until the stream may be listed once more by this process."""
    with _adding:
        budget = _budgets.setdefault(stream_arn, CallBudget())
    wait = budget.reserve(time.monotonic())
    if wait > 0:
        time.sleep(wait)


def keep_to_budget(client: Any) -> None:
    """Let each DescribeStream of a botocore client wait for its turn, repeated ones too."""

    def before_send(request: Any, **_: Any) -> None:
        await_turn(json.loads(request.body)["StreamArn"])

    client.meta.events.register("before-send.dynamodb-streams.DescribeStream", before_send)


def read_listing(
    ask: Callable[[dict[str, str]], Page],
    listed_at: float,
    *,
    is_complete: bool,
    begun: ShardListing | None = None,
    behind: str | None = None,
) -> ShardListing:
    """Follow the pages to the end, or to a refusal behind the first one. `ask` gives a page.

    `begun`: a listing that was cut short, to go on with. `behind`: leave out shards up to this one.
    """
    shards: dict[str, ListedShard] = {}
    last = behind
    if begun is not None:
        shards = {shard.shard_id: shard for shard in begun.shards}
        last, listed_at = begun.last_id, begun.listed_at
    seen: set[str | None] = {last}
    is_enabled, is_first = True, True
    while True:
        try:
            stream = ask({"ExclusiveStartShardId": last} if last else {})
        except Retryable:
            if is_first:
                raise
            return ShardListing(tuple(shards.values()), False, is_enabled, listed_at, last)
        page = [listed_shard(shard) for shard in stream.get("Shards") or ()]
        if begun is not None and is_first and not page:
            # A service that does not know the shard any more answers with nothing at all.
            return read_listing(ask, listed_at, is_complete=is_complete)
        shards |= {shard.shard_id: shard for shard in page}
        is_enabled = stream.get("StreamStatus") in ("ENABLING", "ENABLED")
        last, is_first = stream.get("LastEvaluatedShardId"), False
        if not last:
            return ShardListing(tuple(shards.values()), is_complete, is_enabled, listed_at)
        if last in seen:
            raise SourceUnreachable(f"the shards are listed in a circle: {last} comes again")
        seen.add(last)


def listed_shard(shard: Mapping[str, Any]) -> ListedShard:
    """A shard as DescribeStream and ListShards have it."""
    ending = (shard.get("SequenceNumberRange") or {}).get("EndingSequenceNumber")
    parent = shard.get("ParentShardId")
    # One string for all who name a shard: thousands are remembered for two days.
    shard_id, parent_id = sys.intern(shard["ShardId"]), sys.intern(parent) if parent else None
    return ListedShard(shard_id, parent_id, bool(ending), shard.get("AdjacentParentShardId"))
