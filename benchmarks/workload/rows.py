"""Rows of a large table as Arrow, and changes of them: the same for the same numbers.

DuckDB makes them, because a million would take Python a minute.
A changed row keeps its key and gets other values. Changed rows are spread evenly over the table,
which is the worst case for snapshots by blocks.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from cdc.batch import Batch, schema_of
from cdc.columns import Column, Columns

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
        Column("updated_at", "integer"),
    )
)
_SCHEMA = schema_of(COLUMNS)
# Larger than any benchmark's table has rows, and prime, so that steps of it meet every row once.
_STEP = 15_485_863

_ROWS = """
SELECT unhex(md5('S' || printf('%08x', strlen(tenant)) || tenant
              || 'S' || printf('%08x', strlen(route)) || route)) AS _h,
       false AS _dead, tenant, route,
       'pipeline-' || id || '-' || ['eu-west', 'us-east', 'ap-south'][id % 3 + 1] AS name,
       ['active', 'paused', 'draining', 'failed'][noise % 4 + 1] AS state,
       revision,
       (noise % 90 + 10)::VARCHAR || '.' || (noise % 9 + 1)::VARCHAR AS weight,
       noise % 10 > 0 AS enabled,
       '{"host":"node-' || text[1:12] || '.internal","port":' || (noise % 999 + 8000)
         || ',"tls":true,"etag":"' || md5(text) || '"}' AS config,
       1790000000000 + noise % 4000000000 AS updated_at,
       NULL::VARCHAR AS _rest
FROM (
  SELECT id, $revision::BIGINT AS revision, 'tenant#' || printf('%04d', id % 500) AS tenant,
         'route#' || printf('%08d', id) AS route, md5(id || ':' || $revision) AS text,
         ('0x' || text[13:24])::BIGINT AS noise
  FROM (SELECT ($first + i) * $step % $total AS id FROM range($count) r(i))
)
"""


def all_rows(total: int, batch_rows: int = 50_000) -> Iterator[Batch]:
    """Every row once, in batches, in the order of their numbers."""
    return _batches(total, first=0, count=total, revision=1, batch_rows=batch_rows, step=1)


def sorted_rows(total: int, batch_rows: int = 50_000) -> Iterator[Batch]:
    """Every row once, in the order of identity: so a file needs no sort, and no huge log."""
    numbers = {"first": 0, "count": total, "revision": 1, "step": 1, "total": total}
    with duckdb.connect(":memory:") as connection:
        select = f"{_ROWS} ORDER BY _h"
        for found in connection.sql(select, params=numbers).to_arrow_reader(batch_rows):
            rows = pa.Table.from_batches([found]).cast(_SCHEMA)
            yield Batch(rows, COLUMNS, records=rows.num_rows)


def changes(total: int, count: int, *, revision: int, batch_rows: int = 1_000) -> Iterator[Batch]:
    """Other values for `count` of the rows; revision after revision meets every row once."""
    first = revision * count
    return _batches(
        total, first=first, count=count, revision=revision, batch_rows=batch_rows, step=_STEP
    )


def _batches(
    total: int, *, first: int, count: int, revision: int, batch_rows: int, step: int
) -> Iterator[Batch]:
    connection = duckdb.connect(":memory:", config={"threads": 1})
    for done in range(0, count, batch_rows):
        numbers = {
            "first": first + done,
            "count": min(batch_rows, count - done),
            "revision": revision,
            "step": step,
            "total": total,
        }
        rows = connection.sql(_ROWS, params=numbers).to_arrow_table()
        yield Batch(rows.cast(_SCHEMA), COLUMNS, records=rows.num_rows)
    connection.close()
