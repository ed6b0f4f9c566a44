"""The flights that many tests load are what they are said to be."""

from tests.flights import FLIGHTS, KEYS, flights, load
from tests.servers.dynamodb_local import DynamoDBLocal


def test_every_flight_has_a_key_of_its_own() -> None:
    keys = {(item["flight_key"]["S"], item["time_hour"]["S"]) for item in flights()}

    assert len(keys) == FLIGHTS


def test_missing_values_are_absent_and_missing_tail_numbers_are_null() -> None:
    some = list(flights(0, 20_000))

    assert some[0]["flight_key"] == {"S": "UA#1545"}
    assert some[0]["dep_delay"] == {"N": "2"}
    assert any("arr_delay" not in item for item in some)
    assert any(item["tailnum"] == {"NULL": True} for item in some)
    assert list(flights(100, 200)) == some[100:200]


def test_flights_load_into_dynamodb_local(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table("flights", keys=KEYS)

    assert load(dynamodb_local, table.name, flights(0, 2_000)) == 2_000

    count = dynamodb_local.dynamodb().scan(TableName=table.name, Select="COUNT")["Count"]
    assert count == 2_000
