"""A feed delivers what the service documents: every change, in its form, and its disorder."""

import json
from collections import Counter

from tests.servers.kinesalite import Kinesalite
from tests.servers.moto import MotoServer
from tests.simulators.change_documents import (
    Change,
    Changes,
    Delivery,
    Disorder,
    document,
    shuffled,
)
from tests.simulators.kinesis_feed import KinesisFeed


def _hundred_changes() -> Changes:
    table = Changes()
    for number in range(100):
        table.put({"id": {"S": f"r{number % 10}"}, "v": {"N": str(number)}})
    return table


def _event_ids(deliveries: list[Delivery]) -> list[str]:
    return [json.loads(each.data)["eventID"].replace("-", "") for each in deliveries]


def test_a_document_has_the_service_s_form() -> None:
    table = Changes("airports", now_us=1_795_000_000_123_456)
    table.put({"id": {"S": "ä"}, "b": {"M": {"x": {"B": b"\x00\xff"}}}})
    table.delete({"id": {"S": "ä"}}, ttl=True)
    inserted, removed = (json.loads(document(change)) for change in table.log)

    assert inserted["eventID"] != removed["eventID"]
    inserted["eventID"] = "one"
    image = {"id": {"S": "ä"}, "b": {"M": {"x": {"B": "AP8="}}}}
    assert inserted == {
        "awsRegion": "us-east-1",
        "eventID": "one",
        "eventName": "INSERT",
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": "airports",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_000_000_123_456,
            "ApproximateCreationDateTimePrecision": "MICROSECOND",
            "Keys": {"id": {"S": "ä"}},
            "NewImage": image,
            "SizeBytes": inserted["dynamodb"]["SizeBytes"],
        },
        "eventSource": "aws:dynamodb",
    }
    assert removed["eventName"] == "REMOVE"
    assert removed["userIdentity"]["principalId"] == "dynamodb.amazonaws.com"
    assert removed["dynamodb"]["OldImage"] == image
    assert "NewImage" not in removed["dynamodb"]


def test_times_are_in_the_unit_asked_for() -> None:
    (change,) = [_hundred_changes().log[7]]
    bodies = [json.loads(document(change, unit))["dynamodb"] for unit in ("us", "ms", "ms unsaid")]

    assert [body["ApproximateCreationDateTime"] for body in bodies] == [
        change.at_us,
        change.at_us // 1000,
        change.at_us // 1000,
    ]
    assert [body.get("ApproximateCreationDateTimePrecision") for body in bodies] == [
        "MICROSECOND",
        "MILLISECOND",
        None,
    ]


def test_without_disorder_every_change_comes_once_in_order() -> None:
    log = _hundred_changes().log

    assert _event_ids(shuffled(log, 1)) == [change.event_id for change in log]


def test_a_disorder_is_bounded_and_repeatable_and_loses_nothing() -> None:
    log = _hundred_changes().log
    disorder = Disorder(window=8, soon=0.2, late=0.1)

    given = _event_ids(shuffled(log, 1, disorder))

    assert given == _event_ids(shuffled(log, 1, disorder))
    assert given != _event_ids(shuffled(log, 2, disorder))
    times = Counter(given)
    assert times.keys() == {change.event_id for change in log}
    assert max(times.values()) > 1
    first = [change.event_id for change in log]
    firsts = list(dict.fromkeys(given))
    assert firsts != first
    late = [firsts.index(event_id) - place for place, event_id in enumerate(first)]
    assert max(map(abs, late)) <= disorder.window


def test_a_feed_changes_the_table_and_reaches_every_shard(
    kinesalite: Kinesalite, moto_server: MotoServer
) -> None:
    dynamodb = moto_server.client("dynamodb")
    dynamodb.create_table(
        TableName="fed",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    stream = kinesalite.stream(shards=2)
    feed = KinesisFeed(stream, "fed", dynamodb=dynamodb, disorder=Disorder(4, soon=0.2, late=0.2))

    for number in range(30):
        feed.put(id={"S": "one"}, v={"N": str(number)})
    feed.delete(id={"S": "one"})
    feed.put(id={"S": "two"}, v={"B": b"\x00"})
    sent = feed.send() + feed.send_again()

    pages = [stream.read(shard) for shard in stream.open_shards()]
    found = [Delivery(data, "") for page in pages for data in page]
    assert all(pages)  # one item's changes, in both shards
    assert len(found) == sent > 32
    assert set(_event_ids(found)) == {change.event_id for change in feed.table.log}
    assert dynamodb.scan(TableName="fed")["Items"] == feed.items()


def test_changes_of_one_instant_have_one_time(kinesalite: Kinesalite) -> None:
    feed = KinesisFeed(kinesalite.stream())

    feed.put(id={"S": "a"}, v={"N": "0"})
    with feed.one_instant():
        feed.put(id={"S": "a"}, v={"N": "1"})
        feed.put(id={"S": "a"}, v={"N": "2"})
    feed.put(id={"S": "a"}, v={"N": "3"})

    before, one, two, after = (change.at_us for change in feed.table.log)
    assert before < one == two < after


def test_a_change_that_changes_nothing_is_none() -> None:
    table = Changes()
    item = {"id": {"S": "a"}}

    changed: list[Change | None] = [
        table.put(item),
        table.put(item),
        table.delete({"id": {"S": "b"}}),
    ]

    assert [change is not None for change in changed] == [True, False, False]
