"""`indexes: from_table`: the key schemas of a real table's indexes become access paths."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from cdc.dynamodb import DynamoDbSource
from cdc.table_indexes import table_indexes
from tests.cdc.follower import QUICK, Follower, number, text, wait
from tests.cdc.sqlite_rows import select
from tests.servers.dynamodb_local import DynamoDBLocal, Table


def _schema(*names: str) -> list[dict[str, str]]:
    roles = ("HASH", "RANGE")
    return [
        {"AttributeName": name, "KeyType": role} for name, role in zip(names, roles, strict=False)
    ]


def test_partition_keys_come_first_and_what_gives_no_other_path_is_left_out() -> None:
    several = [
        {"AttributeName": "day", "KeyType": "RANGE"},
        {"AttributeName": "country", "KeyType": "HASH"},
        {"AttributeName": "city", "KeyType": "HASH"},
    ]
    table = {
        "KeySchema": _schema("id", "at"),
        "GlobalSecondaryIndexes": [
            {"KeySchema": _schema("status", "at")},
            {"KeySchema": several},
            {"KeySchema": _schema("status", "at")},
            {"KeySchema": _schema("id", "at")},
        ],
        "LocalSecondaryIndexes": [{"KeySchema": _schema("id", "price")}],
    }

    assert table_indexes(table) == (
        ("status", "at"),
        ("country", "city", "day"),
        ("id", "price"),
    )
    assert table_indexes({"KeySchema": _schema("id")}) == ()


def _table(server: DynamoDBLocal) -> Table:
    """A table with a global and a local index."""
    types = {"id": "S", "at": "N", "status": "S", "price": "N"}
    everything = {"ProjectionType": "ALL"}
    made = server.dynamodb().create_table(
        TableName="orders",
        KeySchema=_schema("id", "at"),
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in types.items()
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-status",
                "KeySchema": _schema("status", "at"),
                "Projection": everything,
            }
        ],
        LocalSecondaryIndexes=[
            {"IndexName": "by-price", "KeySchema": _schema("id", "price"), "Projection": everything}
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    return Table("orders", made["LatestStreamArn"], made.get("TableId"))


def _plan(path: Path, where: str) -> str:
    return str(select(path, f"EXPLAIN QUERY PLAN SELECT * FROM routes WHERE {where}")[0][3])


def test_the_indexes_of_a_table_are_those_of_its_file(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    table = _table(dynamodb_local)
    follower = Follower(dynamodb_local, table, tmp_path / "file", "sqlite")
    follower.settings = replace(QUICK, indexes_from_table=True)
    for index in range(40):
        item: dict[str, Any] = {"id": text(f"o-{index % 7}"), "at": number(index)}
        # A sparse index: most items have no price.
        priced = {"price": number(index / 4)} if index % 5 == 0 else {}
        follower.put(**item, status=text("open" if index % 2 else "done"), **priced)
    source = DynamoDbSource(table.name, follower.params)
    assert source.describe().indexes == (("status", "at"), ("id", "price"))

    with follower.running():
        follower.put(id=text("o-new"), at=number(99), status=text("open"), price=number("7.25"))
        wait(follower.equals_the_table)
        follower.put(id=text("o-new"), at=number(100), status=text("lost"))
        wait(follower.equals_the_table)
        path = follower.path
        wait(lambda: "_snowmelt_by" in _plan(path, "id = 'o-new' AND price = '7.25'"))

        by_status = _plan(path, "status = 'open' AND at > 90")
        assert '_snowmelt_by:["status","at"] (status=? AND at>?)' in by_status
        by_price = _plan(path, "id = 'o-new' AND price = '7.25'")
        assert '_snowmelt_by:["id","price"] (id=? AND price=?)' in by_price
        found = select(path, "SELECT id, at FROM routes WHERE status = 'open' AND at > 90")
        assert found == [("o-new", 99)]
