"""Progress in one shard, and the JSON of many.

A shard that was read to its end stays known for two days, so that a late listing does not bring it
back: of a large stream these are thousands, and none of them changes. A file therefore keeps them
apart from what each commit writes anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdc import position as positions
from cdc.position import End, Position


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """Progress in one shard. Times are epoch seconds of the service's clock, None if unknown."""

    shard_id: str
    parent_id: str | None
    position: Position
    created_at: float | None = None
    tip_at: float | None = None
    ended_at: float | None = None
    adjacent_id: str | None = None

    @property
    def parents(self) -> tuple[str, ...]:
        """The shards that have to be read to their end before this one: two of a merged one."""
        return tuple(each for each in (self.parent_id, self.adjacent_id) if each is not None)

    @property
    def proven_at(self) -> float | None:
        """No unread record of this shard is older than this."""
        known = [time for time in (self.created_at, self.tip_at) if time is not None]
        return max(known) if known else None


def finished(shards: Mapping[str, ShardProgress]) -> dict[str, ShardProgress]:
    """Those that were read to their end."""
    return {each: shard for each, shard in shards.items() if isinstance(shard.position, End)}


def unfinished(shards: Mapping[str, ShardProgress]) -> dict[str, ShardProgress]:
    """The others."""
    return {each: shard for each, shard in shards.items() if not isinstance(shard.position, End)}


def encode_shards(shards: Mapping[str, ShardProgress]) -> str:
    """The JSON text of shards that a file keeps apart."""
    return json.dumps(shards_to_json(shards), separators=(",", ":"), sort_keys=True)


def shards_to_json(shards: Mapping[str, ShardProgress]) -> dict[str, Any]:
    """A JSON-ready form by shard id; `shards_from_json` is its inverse."""
    return {
        shard.shard_id: {
            "parent": shard.parent_id,
            "position": positions.to_json(shard.position),
            "created_at": shard.created_at,
            "tip_at": shard.tip_at,
            "ended_at": shard.ended_at,
            **({} if shard.adjacent_id is None else {"adjacent": shard.adjacent_id}),
        }
        for shard in shards.values()
    }


def shards_from_json(data: Mapping[str, Any]) -> dict[str, ShardProgress]:
    """The shards that `shards_to_json` wrote. Raises KeyError."""
    return {
        shard_id: ShardProgress(
            shard_id=shard_id,
            parent_id=shard["parent"],
            position=positions.from_json(shard["position"]),
            created_at=shard["created_at"],
            tip_at=shard["tip_at"],
            ended_at=shard["ended_at"],
            adjacent_id=shard.get("adjacent"),
        )
        for shard_id, shard in data.items()
    }
