"""Scripts of raw calls that have the same answer on the simulated service and on DynamoDB Local.

Where the two differ because DynamoDB Local is known to be unlike the service, `UNLIKE` says what
each of them answers and why; an entry that is no longer true fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulators.partners import Partner, refusal_of, shape_of

NOBODY = "shardId-00000000000000000001-00000000"


def told(record: dict[str, Any]) -> tuple[Any, ...]:
    change = record["dynamodb"]
    return (
        record["eventName"],
        change["Keys"],
        change.get("OldImage"),
        change.get("NewImage"),
        change["StreamViewType"],
    )


def names(records: list[dict[str, Any]]) -> list[str]:
    return [record["dynamodb"]["Keys"]["id"]["S"] for record in records]


def fill(partner: Partner, *keys: str) -> list[str]:
    """Write, and give the sequence numbers."""
    for key in keys:
        partner.put(key)
    return [record["dynamodb"]["SequenceNumber"] for record in partner.read("TRIM_HORIZON")]


# ---------------------------------------------------------------- scripts: records


def records_of_writes(partner: Partner) -> object:
    partner.put("a", x="1")
    partner.put("a", x="2", y="")
    partner.delete("a")
    partner.put("a")
    return [told(record) for record in partner.read("TRIM_HORIZON")]


def writes_that_change_nothing(partner: Partner) -> object:
    partner.put("a", x="1")
    partner.put("a", x="1")
    partner.delete("b")
    return names(partner.read("TRIM_HORIZON"))


def shape_of_a_record(partner: Partner) -> object:
    partner.put("a", x="1")
    partner.put("a", x="2")
    return [shape_of(record) for record in partner.read("TRIM_HORIZON")]


def order_of_sequence_numbers(partner: Partner) -> object:
    sequences = [int(sequence) for sequence in fill(partner, *"abc")]
    shard = partner.shard()["SequenceNumberRange"]
    return sequences == sorted(set(sequences)), int(shard["StartingSequenceNumber"]) <= sequences[0]


# ---------------------------------------------------------------- scripts: iterators


def each_kind_of_iterator(partner: Partner) -> object:
    first, second, last = fill(partner, *"abc")
    start = partner.shard()["SequenceNumberRange"]["StartingSequenceNumber"]
    return [
        names(partner.read("TRIM_HORIZON")),
        names(partner.read("LATEST")),
        names(partner.read("AT_SEQUENCE_NUMBER", SequenceNumber=first)),
        names(partner.read("AT_SEQUENCE_NUMBER", SequenceNumber=second)),
        names(partner.read("AFTER_SEQUENCE_NUMBER", SequenceNumber=second)),
        names(partner.read("AFTER_SEQUENCE_NUMBER", SequenceNumber=last)),
        names(partner.read("AT_SEQUENCE_NUMBER", SequenceNumber=start)),
    ]


def latest_sees_what_comes_after_it(partner: Partner) -> object:
    partner.put("before")
    iterator = partner.iterator("LATEST")
    partner.put("after")
    return names(partner.records(iterator)["Records"])


def empty_pages_and_then_data(partner: Partner) -> object:
    iterator = partner.iterator("TRIM_HORIZON")
    seen = []
    for turn in range(4):
        if turn == 2:
            partner.put("a")
        page = partner.records(iterator)
        seen.append(names(page["Records"]))
        iterator = page["NextShardIterator"]
    return seen


def an_iterator_is_used_twice(partner: Partner) -> object:
    fill(partner, *"ab")
    iterator = partner.iterator("TRIM_HORIZON")
    return [names(partner.records(iterator)["Records"]) for _ in range(2)]


def short_pages_of_a_limit(partner: Partner) -> object:
    fill(partner, *"abcde")
    iterator, seen = partner.iterator("TRIM_HORIZON"), []
    for _ in range(3):
        page = partner.records(iterator, Limit=2)
        seen.append(names(page["Records"]))
        iterator = page["NextShardIterator"]
    return seen


def the_end_of_a_closed_shard(partner: Partner) -> object:
    partner.put("a")
    partner.disable()
    page = partner.records(partner.iterator("TRIM_HORIZON"))
    return names(page["Records"]), "NextShardIterator" in page


# ---------------------------------------------------------------- scripts: listings


def shape_of_a_stream(partner: Partner) -> object:
    return shape_of(partner.stream())


def a_stream_that_was_disabled(partner: Partner) -> object:
    before = partner.shard()["SequenceNumberRange"]
    partner.disable()
    stream = partner.stream()
    after = stream["Shards"][0]["SequenceNumberRange"]
    table = partner.dynamodb.describe_table(TableName=partner.table)["Table"]
    return (
        "EndingSequenceNumber" in before,
        "EndingSequenceNumber" in after,
        len(stream["Shards"]),
        stream["StreamStatus"],
        "StreamSpecification" in table,
        table["LatestStreamArn"] == partner.stream_arn,
    )


def a_listing_from_a_shard_on(partner: Partner) -> object:
    only = partner.shard()["ShardId"]
    return len(partner.stream(ExclusiveStartShardId=only)["Shards"])


def a_listing_that_is_full(partner: Partner) -> object:
    return "LastEvaluatedShardId" in partner.stream(Limit=1)


def children_of_an_open_shard(partner: Partner) -> object:
    only = partner.shard()["ShardId"]
    return len(partner.stream(ShardFilter={"Type": "CHILD_SHARDS", "ShardId": only})["Shards"])


# ---------------------------------------------------------------- scripts: scans


def pages_of_a_scan(partner: Partner) -> object:
    fill(partner, *(f"key-{number}" for number in range(10)))
    pages = partner.scan_all(Limit=4, ConsistentRead=True)
    return [len(page) for page in pages], sorted(name for page in pages for name in page)


def a_limit_that_just_fits(partner: Partner) -> object:
    fill(partner, *"abcd")
    return [len(page) for page in partner.scan_all(Limit=4)]


def segments_of_a_scan(partner: Partner) -> object:
    fill(partner, *(f"key-{number}" for number in range(20)))
    parts = [partner.scan_all(Segment=each, TotalSegments=3, Limit=5) for each in range(3)]
    return sorted(name for pages in parts for page in pages for name in page)


def shape_of_a_scan(partner: Partner) -> object:
    fill(partner, *"ab")
    return shape_of(partner.scan(Limit=1, ReturnConsumedCapacity="TOTAL"))


def an_empty_table(partner: Partner) -> object:
    return shape_of(partner.scan(Segment=1, TotalSegments=4))


def a_start_key_without_an_item(partner: Partner) -> object:
    fill(partner, *"abcdef")
    key = partner.scan(Limit=3)["LastEvaluatedKey"]
    rest = partner.scan_all(ExclusiveStartKey=key)
    partner.delete(key["id"]["S"])
    return partner.scan_all(ExclusiveStartKey=key) == rest


# ---------------------------------------------------------------- scripts: refusals


def refused_iterators(partner: Partner) -> object:
    fill(partner, "a")
    return [
        refusal_of(lambda: partner.iterator("TRIM_HORIZON", SequenceNumber="1" * 21)),
        refusal_of(lambda: partner.iterator("AT_SEQUENCE_NUMBER")),
        refusal_of(lambda: partner.iterator("AT_TIMESTAMP")),
        refusal_of(lambda: partner.iterator("TRIM_HORIZON", ShardId=NOBODY)),
    ]


def refused_reads(partner: Partner) -> object:
    iterator = partner.iterator("TRIM_HORIZON")
    return [
        refusal_of(lambda: partner.records(iterator, Limit=0)),
        refusal_of(lambda: partner.records(iterator, Limit=1_001)),
        refusal_of(lambda: partner.records("no iterator")),
    ]


def a_read_of_an_unknown_shard(partner: Partner) -> object:
    return refusal_of(lambda: partner.read("TRIM_HORIZON", ShardId=NOBODY))


def refused_listings(partner: Partner) -> object:
    return [
        refusal_of(lambda: partner.stream(Limit=0)),
        refusal_of(lambda: partner.stream(Limit=101)),
        refusal_of(
            lambda: partner.streams.describe_stream(StreamArn=partner.stream_arn[:-1] + "x")
        ),
    ]


def refused_tables(partner: Partner) -> object:
    return [
        refusal_of(lambda: partner.dynamodb.describe_table(TableName="nowhere")),
        refusal_of(lambda: partner.dynamodb.scan(TableName="nowhere")),
        refusal_of(lambda: partner.scan(Segment=3, TotalSegments=3)),
    ]


@dataclass(frozen=True)
class Unlike:
    why: str
    service: object
    local: object


Script = Callable[[Partner], object]
UNLIKE: dict[Script, Unlike] = {
    children_of_an_open_shard: Unlike("it ignores the filter", service=0, local=1),
    a_listing_that_is_full: Unlike(
        "the API reference: a last shard does not promise that there is more",
        service=True,
        local=False,
    ),
}
ALIKE: tuple[Script, ...] = (
    records_of_writes,
    writes_that_change_nothing,
    shape_of_a_record,
    order_of_sequence_numbers,
    each_kind_of_iterator,
    latest_sees_what_comes_after_it,
    empty_pages_and_then_data,
    an_iterator_is_used_twice,
    short_pages_of_a_limit,
    the_end_of_a_closed_shard,
    shape_of_a_stream,
    a_stream_that_was_disabled,
    a_listing_from_a_shard_on,
    pages_of_a_scan,
    a_limit_that_just_fits,
    segments_of_a_scan,
    shape_of_a_scan,
    an_empty_table,
    a_start_key_without_an_item,
    refused_iterators,
    refused_reads,
    a_read_of_an_unknown_shard,
    refused_listings,
    refused_tables,
)
