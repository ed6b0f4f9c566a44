"""Items of the capture benchmark, and the stream of their changes, as DuckDB makes them.

Items are routing entries of a control plane: eleven attributes, 0.45 KB as typed JSON. An item's
content follows from its number and revision alone, so a record, a scanned row and the digest of a
whole table are expressions of these two. Four percent have a value that its column cannot hold: a
number where text is usual, or NULL.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable, Iterator

import duckdb
import pyarrow as pa

from cdc.batch import Batch, schema_of
from cdc.columns import Column, Columns
from cdc.keys import KeyAttribute, KeySchema

KEYS = KeySchema(KeyAttribute("tenant", "S"), KeyAttribute("route", "S"))
KEY_NAMES = ("tenant", "route")
COLUMNS = Columns(
    (
        Column("tenant", "text"),
        Column("route", "text"),
        Column("name", "text"),
        Column("state", "text"),
        Column("revision", "integer"),
        Column("weight", "decimal", 6),
        Column("enabled", "boolean"),
        Column("config", "json"),
        Column("owner", "text"),
        Column("purpose", "text"),
        Column("updated_at", "integer"),
    )
)
ATTRIBUTES = COLUMNS.names
_ROWS_AT_ONCE = 50_000

# (inserts, updates, deletes) in percent.
MIX = (20, 70, 10)

_MACROS = """
CREATE MACRO noise(id, revision) AS ('0x' || (md5(id || ':' || revision))[1:12])::BIGINT;
CREATE MACRO tenant(id) AS 'tenant#' || printf('%04d', id % 500);
CREATE MACRO route(id) AS 'route#' || printf('%08d', id);
CREATE MACRO name(id) AS 'pipeline-' || printf('%08d', id) || '-eu-west';
CREATE MACRO state(n) AS ['active', 'paused', 'draining', 'failed'][n % 4 + 1];
CREATE MACRO weight(n) AS (n % 90 + 10) || '.' || ((n % 99 * 10 + 1001)::VARCHAR)[2:];
CREATE MACRO host(id, revision) AS
  'node-' || (md5('h' || id || ':' || revision))[1:12] || '.internal';
CREATE MACRO port(n) AS n % 999 + 8000;
CREATE MACRO etag(id, revision) AS md5('e' || id || ':' || revision);
CREATE MACRO owner(n) AS 'team-' || printf('%03d', n % 300) || '@example.org';
CREATE MACRO purpose(id) AS 'Carries the traffic of pipeline-' || printf('%08d', id);
CREATE MACRO updated_at(n) AS 1790000000000 + n % 4000000000;
CREATE MACRO odd_name(n) AS n % 50 = 0;
CREATE MACRO odd_state(n) AS n % 50 = 1;
CREATE MACRO keys(id) AS
  '{"tenant":{"S":"' || tenant(id) || '"},"route":{"S":"' || route(id) || '"}}';
CREATE MACRO image(id, revision, n) AS
  '{"tenant":{"S":"' || tenant(id) || '"},"route":{"S":"' || route(id) || '"},"name":'
  || CASE WHEN odd_name(n) THEN '{"N":"' || id || '"}' ELSE '{"S":"' || name(id) || '"}' END
  || ',"state":'
  || CASE WHEN odd_state(n) THEN '{"NULL":true}' ELSE '{"S":"' || state(n) || '"}' END
  || ',"revision":{"N":"' || revision || '"},"weight":{"N":"' || weight(n)
  || '"},"enabled":{"BOOL":' || CASE WHEN n % 10 > 0 THEN 'true' ELSE 'false' END
  || '},"config":{"M":{"host":{"S":"'
  || host(id, revision) || '"},"port":{"N":"' || port(n) || '"},"tls":{"BOOL":true},"etag":{"S":"'
  || etag(id, revision) || '"}}},"owner":{"S":"' || owner(n) || '"},"purpose":{"S":"'
  || purpose(id) || '"},"updated_at":{"N":"' || updated_at(n) || '"}}';
CREATE MACRO item_hash(
    tenant, route, name, state, revision, weight, enabled, host, port, etag, owner, purpose,
    updated_at) AS
  hash(concat_ws('|', tenant, route, name, coalesce(state, '-'), revision,
    weight::DECIMAL(18, 3), enabled::INTEGER, host, port, etag, owner, purpose,
    updated_at));
CREATE MACRO content(id, revision, n) AS item_hash(tenant(id), route(id),
  CASE WHEN odd_name(n) THEN id::VARCHAR ELSE name(id) END,
  CASE WHEN odd_state(n) THEN NULL ELSE state(n) END, revision, weight(n), n % 10 > 0,
  host(id, revision), port(n), etag(id, revision), owner(n), purpose(id),
  updated_at(n));
CREATE MACRO rest(id, n) AS CASE
  WHEN odd_name(n) THEN '{"name":{"N":"' || id || '"}}'
  WHEN odd_state(n) THEN '{"state":{"NULL":true}}' END;
"""

_ROWS = """
SELECT unhex(md5('S' || printf('%08x', strlen(tenant(id))) || tenant(id)
              || 'S' || printf('%08x', strlen(route(id))) || route(id))) AS _h,
       false AS _dead, tenant(id) AS tenant, route(id) AS route,
       CASE WHEN NOT odd_name(n) THEN name(id) END AS name,
       CASE WHEN NOT odd_state(n) THEN state(n) END AS state,
       1::BIGINT AS revision, weight(n) AS weight, n % 10 > 0 AS enabled,
       '{"host":"' || host(id, 1) || '","port":' || port(n) || ',"tls":true,"etag":"' || etag(id, 1)
         || '"}' AS config,
       owner(n) AS owner, purpose(id) AS purpose, updated_at(n) AS updated_at, rest(id, n) AS _rest
FROM (SELECT i AS id, noise(i, 1) AS n FROM range($first, $last) r(i))
"""

_RECORDS = """
SELECT page, '{"awsRegion":"us-east-1","dynamodb":{"ApproximateCreationDateTime":' || $now
  || ',"Keys":' || keys(id)
  || CASE WHEN revision > 0
       THEN ',"NewImage":' || image(id, revision, noise(id, revision)) ELSE '' END
  || CASE WHEN before > 0
       THEN ',"OldImage":' || image(id, before, noise(id, before)) ELSE '' END
  || ',"SequenceNumber":"' || ($sequence::HUGEINT + number) || '","SizeBytes":420,'
  || '"StreamViewType":"NEW_AND_OLD_IMAGES"},"eventID":"' || md5(number::VARCHAR)
  || '","eventName":"'
  || CASE WHEN revision = 0 THEN 'REMOVE' WHEN before = 0 THEN 'INSERT' ELSE 'MODIFY' END
  || '","eventSource":"aws:dynamodb","eventVersion":"1.1"}' AS record
FROM changes ORDER BY number
"""

_ITEM_HASH = """item_hash(tenant, route, name, state, revision, weight, enabled,
  json_extract_string(config, '$.host'), json_extract_string(config, '$.port'),
  json_extract_string(config, '$.etag'), owner, purpose, updated_at)"""
_CONTENT = "content(id, {0}, noise(id, {0}))::HUGEINT"
_IS_MISFIT = "(noise(id, {0}) % 50 < 2)::HUGEINT"
_MODULUS = 2**64


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory instance that knows the entries."""
    connection = duckdb.connect(":memory:")
    connection.execute(_MACROS)
    return connection


def all_rows(total: int) -> Iterator[Batch]:
    """Every item in its first revision, as the decoder would make it of a scan."""
    schema = schema_of(COLUMNS)
    with connect() as connection:
        for first in range(0, total, _ROWS_AT_ONCE):
            ends = {"first": first, "last": min(total, first + _ROWS_AT_ONCE)}
            rows = connection.sql(_ROWS, params=ends).to_arrow_table()
            yield Batch(rows.cast(schema), COLUMNS, records=rows.num_rows)


def changes(total: int, count: int, *, page_records: int, shards: int) -> pa.Table:
    """`count` changes by `MIX` of uniformly drawn items: number, page, id, revision, before.

    Revision 0 is a deleted item, `before` 0 a new one. Pages belong to the shards in turn, and an
    item to the shard that its number says.
    """
    seeded = random.Random(total)
    revisions = bytearray(b"\1") * total
    ids, after, before = array("q"), array("h"), array("h")
    fresh = [total + (shard - total) % shards for shard in range(shards)]
    inserts, updates, _ = MIX
    for number in range(count):
        shard = number // page_records % shards
        draw = seeded.randrange(100)
        if draw < inserts:
            one, old, new = fresh[shard], 0, 1
            fresh[shard] += shards
            revisions.extend(bytes(max(0, one + 1 - len(revisions))))
        else:
            one = _alive(seeded, revisions, shard, shards)
            old = revisions[one]
            new = old % 250 + 1 if draw < inserts + updates else 0
        revisions[one] = new
        ids.append(one)
        after.append(new)
        before.append(old)
    numbers = pa.array(range(count), pa.int64())
    return pa.table(
        {
            "number": numbers,
            "page": pa.array((number // page_records for number in range(count)), pa.int64()),
            "id": pa.array(ids, pa.int64()),
            "revision": pa.array(after, pa.int64()),
            "before": pa.array(before, pa.int64()),
        }
    )


def records(
    connection: duckdb.DuckDBPyConnection, changed: pa.Table, *, now: int, sequence: int
) -> Iterator[tuple[int, list[str]]]:
    """Pages of record texts, in order."""
    connection.register("changes", changed)
    parameters = {"now": now, "sequence": sequence}
    page, texts = 0, list[str]()
    cursor = connection.execute(_RECORDS, parameters)
    while rows := cursor.fetchmany(10_000):
        for number, text in rows:
            if number != page:
                yield page, texts
                page, texts = number, []
            texts.append(text)
    if texts:
        yield page, texts


def digest(connection: duckdb.DuckDBPyConnection, source: str) -> str:
    """What a table with these columns holds, whatever its types; order does not matter."""
    text = f"SELECT count(*), coalesce(sum({_ITEM_HASH}), 0) FROM {source}"
    return _digest(*connection.execute(text).fetchall()[0])


def digests(
    connection: duckdb.DuckDBPyConnection, total: int, changed: pa.Table, pages: Iterable[int]
) -> dict[int, tuple[str, int]]:
    """What a table holds after so many pages, and how many of its rows are misfits."""
    one, new, old = (
        (_CONTENT.format(name), _IS_MISFIT.format(name)) for name in ("1", "revision", "before")
    )
    text = f"SELECT sum({one[0]}), sum({one[1]}) FROM (SELECT i AS id FROM range({total}) r(i))"
    ((content, misfits),) = connection.execute(text).fetchall()
    connection.register("changes", changed)
    found = {}
    for count in pages:
        text = (
            "SELECT coalesce(sum((revision > 0)::INTEGER - (before > 0)::INTEGER), 0), "
            f"coalesce(sum(CASE WHEN revision > 0 THEN {new[0]} ELSE 0 END"
            f" - CASE WHEN before > 0 THEN {old[0]} ELSE 0 END), 0), "
            f"coalesce(sum(CASE WHEN revision > 0 THEN {new[1]} ELSE 0 END"
            f" - CASE WHEN before > 0 THEN {old[1]} ELSE 0 END), 0) "
            f"FROM changes WHERE page < {count}"
        )
        ((rows, moved, odd),) = connection.execute(text).fetchall()
        found[count] = (_digest(total + int(rows), int(content) + int(moved)), int(misfits + odd))
    return found


def _digest(rows: int, content: int) -> str:
    return f"{rows} rows, {int(content) % _MODULUS:016x}"


def _alive(seeded: random.Random, revisions: bytearray, shard: int, shards: int) -> int:
    most = (len(revisions) - shard + shards - 1) // shards
    while True:
        one = seeded.randrange(most) * shards + shard
        if revisions[one]:
            return one
