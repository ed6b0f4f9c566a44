"""Puts, updates and deletes of flights, seeded, so that each of them changes something.

A put is of a flight one year later, or over a flight that is there, with other types and with
attributes that nothing had before. An update sets, adds and removes. Each flight is changed at most
once, in any order, by several threads.
"""

import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.flights import Item
from tests.servers.dynamodb_local import DynamoDBLocal

_THREADS = 4


def change(server: DynamoDBLocal, table: str, flights: Iterable[Item], seed: int) -> int:
    """Change as many items as there are flights given, all of them there; returns how many."""
    client = server.dynamodb(max_pool_connections=_THREADS)
    dice = random.Random(seed)
    jobs = [(dice.choice(_KINDS), flight, dice.randrange(1_000_000)) for flight in flights]
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda job: job[0](client, table, job[1], job[2]), jobs))
    return len(jobs)


def _put_a_year_later(client: Any, table: str, flight: Item, number: int) -> None:
    hour = f"2014{flight['time_hour']['S'][4:]}"
    client.put_item(TableName=table, Item={**flight, "time_hour": {"S": hour}})


def _put_over(client: Any, table: str, flight: Item, number: int) -> None:
    kept = {name: flight[name] for name in ("flight_key", "time_hour", "carrier", "flight")}
    other: Item = {
        "distance": {"S": f"{number} miles"},  # a number in every other flight
        "air_time": {"N": f"{number}.{number % 97:02d}5"},  # an integer in every other flight
        "crew": {"L": [{"S": "Zoë"}, {"M": {"seat": {"N": "1"}, "on board": {"BOOL": True}}}]},
        "codes": {"SS": [f"code {number}", "b", "a"]},
        "delayed": {"BOOL": number % 2 == 0},
        "picture": {"B": number.to_bytes(4)},
    }
    client.put_item(TableName=table, Item={**kept, **other})


def _update(client: Any, table: str, flight: Item, number: int) -> None:
    client.update_item(
        TableName=table,
        Key={name: flight[name] for name in ("flight_key", "time_hour")},
        UpdateExpression="SET dep_delay = :n, note = :t ADD seen :one REMOVE tailnum",
        ExpressionAttributeValues={
            ":n": {"N": str(-number)},
            ":t": {"S": f"changed — {number}"},
            ":one": {"N": "1"},
        },
    )


def _delete(client: Any, table: str, flight: Item, number: int) -> None:
    key = {name: flight[name] for name in ("flight_key", "time_hour")}
    client.delete_item(TableName=table, Key=key)


_KINDS: tuple[Callable[[Any, str, Item, int], None], ...] = (
    _put_a_year_later,
    _put_over,
    _update,
    _update,
    _delete,
)
