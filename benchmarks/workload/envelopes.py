"""GetRecords answers of a Kinesis stream that DynamoDB writes the changes of the entries into.

Each change is a document of some 1.2 KB with both images, in base64. It is delivered up to some
hundred places late, and two in a hundred come again behind that, as the service may do. No two were
made at the same microsecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.workload import entries

RECORDS_PER_PAGE = 1_000
TABLE = "items"
BEGAN_US = 1_795_000_000_000_000
_SHARDS = 8
_LATE_PLACES = 300
_AGAIN_EVERY, _AGAIN_LATER = 50, 30
_FIRST_SEQUENCE = "49650000000000000000000000000000000000"

_DOCUMENTS = f"""
CREATE TABLE documents AS SELECT number, number + noise(number, id) % {_LATE_PLACES} AS place,
  '{{"awsRegion":"us-east-1","eventID":"' || md5(number::VARCHAR) || '","eventName":"'
  || CASE WHEN revision = 0 THEN 'REMOVE' WHEN before = 0 THEN 'INSERT' ELSE 'MODIFY' END
  || '","userIdentity":null,"recordFormat":"application/json","tableName":"{TABLE}"'
  || ',"dynamodb":{{"ApproximateCreationDateTime":' || ({BEGAN_US} + number * 40)
  || ',"ApproximateCreationDateTimePrecision":"MICROSECOND","Keys":' || keys(id)
  || CASE WHEN revision > 0
       THEN ',"NewImage":' || image(id, revision, noise(id, revision)) ELSE '' END
  || CASE WHEN before > 0
       THEN ',"OldImage":' || image(id, before, noise(id, before)) ELSE '' END
  || ',"SizeBytes":420}},"eventSource":"aws:dynamodb"}}' AS text
FROM changes
"""
_RECORDS = f"""
SELECT '{{"SequenceNumber":"{_FIRST_SEQUENCE}' || ((row_number() OVER by_place) + 10**9)::BIGINT
  || '","ApproximateArrivalTimestamp":' || ({BEGAN_US // 1_000_000} + (place // 25_000)::BIGINT + 1)
  || '.25,"PartitionKey":"' || md5(place::VARCHAR)
  || '","Data":"' || base64(encode(text)) || '"}}' AS record
FROM (
  SELECT place, number, text FROM documents UNION ALL
  SELECT place + {_AGAIN_LATER}, number, text FROM documents WHERE number % {_AGAIN_EVERY} = 0)
WINDOW by_place AS (ORDER BY place, number) ORDER BY place, number LIMIT $count
"""
_SIZE = "SELECT avg(strlen(text)) FROM documents"


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Page files in the order of reading; `document_bytes`: of one change."""

    files: tuple[str, ...]
    document_bytes: int


def write_pages(directory: Path, rows: int, count: int) -> Envelopes:
    """Make `count` pages of changes of a table of `rows` items, the same for the same numbers."""
    total = count * RECORDS_PER_PAGE
    changed = entries.changes(rows, total, page_records=RECORDS_PER_PAGE, shards=_SHARDS)
    files = []
    with entries.connect() as connection:
        connection.register("changes", changed)
        connection.execute(_DOCUMENTS)
        ((size,),) = connection.execute(_SIZE).fetchall()
        cursor = connection.execute(_RECORDS, {"count": total})
        for page in range(count):
            file = directory / f"page-{page:05d}.json"
            file.write_bytes(_page(cursor))
            files.append(str(file))
    return Envelopes(tuple(files), round(size))


def _page(cursor: duckdb.DuckDBPyConnection) -> bytes:
    records = ",".join(text for (text,) in cursor.fetchmany(RECORDS_PER_PAGE))
    body = f'{{"NextShardIterator":"next","MillisBehindLatest":1000,"Records":[{records}]}}'
    return body.encode()
