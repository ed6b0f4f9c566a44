"""Stories by number: what happens to a table, its stream and a consumer, and what has to hold.

Numbers: `6.n` is row n of "bugs of others" (`ROWS`), `5.n` a rule about gaps, `4.n` an event in a
stream's life (`RULES`). A story is a function of a `Stage` (`tests.conformance.stage`), registered
by `@story`. One that uses only what DynamoDB Local can do too is played there as well: `on_local`
names the clock that it takes, one that jumps or one that runs fast.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

LocalClock = Literal["jumps", "fast"]
Play = TypeVar("Play", bound=Callable[..., None])


@dataclass(frozen=True)
class Story:
    """`numbers`: the rows and rules that it plays. `shards`: open ones at its beginning."""

    numbers: tuple[str, ...]
    name: str
    play: Callable[[Any], None]
    shards: int
    on_local: LocalClock | None
    over_http: bool

    @property
    def id(self) -> str:
        return f"{'+'.join(self.numbers)}-{self.name}"


STORIES: list[Story] = []
# Numbers that whole nodes play as well, in tests of their own: number -> test ids.
_NEW_NODE = "tests/snowmelt/test_new_node.py::test_"
_THIRTY_HOURS = "tests/snowmelt/test_thirty_hours.py::test_"
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "6.10": ("tests/snapshotter/test_publish.py::test_the_older_generation_is_fenced",),
    "6.14": (
        f"{_THIRTY_HOURS}a_stream_that_is_silent_for_thirty_hours_publishes_nothing_and_the_node_serves_on",
        f"{_THIRTY_HOURS}one_silent_shard_of_two_ages_every_snapshot_and_ends_their_publishing",
    ),
    "6.15": (
        f"{_NEW_NODE}error_refuses_with_the_age_and_goes_on_refusing",
        f"{_NEW_NODE}ready_before_load_serves_the_old_state_labelled_until_the_stream_answers",
        f"{_NEW_NODE}ready_after_load_answers_503_with_the_reason_until_the_table_is_loaded",
    ),
}


def story(
    *numbers: str, shards: int = 1, on_local: LocalClock | None = None, over_http: bool = True
) -> Callable[[Play], Play]:
    """Register a story. `over_http=False`: it may be played in memory, where HTTP adds nothing."""

    def register(play: Play) -> Play:
        name = getattr(play, "__name__", "")
        STORIES.append(Story(numbers, name, play, shards, on_local, over_http))
        return play

    return register


ROWS: dict[str, str] = {
    "6.1": "a child is listed late, or never",
    "6.2": "rollover after rollover",
    "6.3": "more shards than a page of a listing",
    "6.4": "an iterator expires before its first record",
    "6.5": "an iterator expires in mid-run",
    "6.6": "a shard ages out while it is stuck",
    "6.7": "a new shard read from its latest record; progress saved before rows",
    "6.8": "answers in any order; sequence numbers of 21 and 22 digits",
    "6.9": "1,000 shards, slow calls, errors; alive and dead",
    "6.10": "two consumers of one stream",
    "6.11": "a child that overtakes its parent",
    "6.12": "an update in the second of the scan; a checkpoint of an unlisted shard",
    "6.13": "a scan that takes longer than the stream keeps records",
    "6.14": "a dead stream that looks healthy",
    "6.15": "a checkpoint that expired",
    "6.16": "the budget of listings, shared",
    "6.17": "a shard that the service does not know any more",
    "6.18": "shards that appear during the bootstrap",
    "6.19": "a restart in the middle of a shard",
    "6.20": "a stale listing names shards that are gone",
    "6.21": "one bad lineage among hundreds",
    "6.22": "children are found at once, and full listings are rare",
    "6.23": "trimmed is a gap, never progress",
    "6.24": "a parent listed as open beside its open child",
    "6.25": "a child whose parent is gone",
    "6.26": "LATEST cannot be resumed; one poll of a shard at a time",
    "6.27": "ten minutes of empty pages",
    "6.28": "the table was made again under its name, and counts from the beginning",
    "6.29": "the stream was disabled, and enabled again",
    "6.30": "limits are per shard",
    "6.31": "attributes and types that come late",
    "6.32": "attributes of global tables, version 1",
}
RULES: dict[str, str] = {
    "5.1": "AFTER s, and the iterator is given: resume",
    "5.2": "AFTER s trimmed, or the shard unknown: gap",
    "5.3": "END, the shard gone, children listed: their start",
    "5.4": "END, the shard and its children gone: gap, but not of a disabled stream",
    "5.5": "not at END, the parent unlisted, its child listed: gap",
    "5.6": "another stream or table: never adopted",
    "5.7": "an expired iterator: no gap",
    "5.8": "AFTER s trimmed inside the retention: no gap",
    "5.9": "FROM_START beyond its bound: a gap, though the service answers",
    "4.1": "disabled: drained, and said",
    "4.2": "enabled again: another stream",
    "4.3": "another view type: another stream",
    "4.4": "table deleted: drained, frozen, and said",
    "4.5": "table made again: another source",
}
