"""Scan answers as the service sends them: made once, without the key to go on from.

The service ends a page at 1 MB of items by its own count (names and values, no punctuation), which
is nearly twice as much on the wire. Items are routing entries of nine attributes, one of them
nested; no attribute changes its type, because the other programs stop at that. Two percent have
NULL.

The content of a table is a sum over its items, made by SQL that every side can run on its file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = "items"
KEY_NAMES = ("tenant", "route")
PAGE_BYTES = 1_000_000
_ROWS_OF_A_PAGE = 5_000  # at most
_UNIT_BYTES = 4096

_ITEMS = """
SELECT *, 'tenant#' || printf('%04d', id % 500) AS tenant, 'route#' || printf('%09d', id) AS route,
  'pipeline-' || printf('%07d', id) || '-eu-west' AS name,
  CASE WHEN n % 50 > 0 THEN ['active', 'paused', 'draining', 'failed'][n % 4 + 1] END AS state,
  n % 999 + 1 AS revision, (n % 90 + 10) || '.' || (n % 900 + 100) || '1' AS weight,
  n % 10 > 0 AS enabled, 'node-' || text[13:24] || '.internal' AS host, n % 999 + 8000 AS port,
  md5(text) AS etag, 1790000000000 + n % 4000000000 AS updated_at
FROM (SELECT *, ('0x' || text[1:12])::BIGINT AS n FROM (
  SELECT i AS id, md5(i::VARCHAR) AS text FROM range($rows) r(i)))
"""
_TEXT = """
'{"tenant":{"S":"' || tenant || '"},"route":{"S":"' || route || '"},"name":{"S":"' || name
  || '"},"state":' || coalesce('{"S":"' || state || '"}', '{"NULL":true}')
  || ',"revision":{"N":"' || revision || '"},"weight":{"N":"' || weight || '"},"enabled":{"BOOL":'
  || enabled || '},"config":{"M":{"host":{"S":"' || host || '"},"port":{"N":"' || port
  || '"},"tls":{"BOOL":true},"etag":{"S":"' || etag || '"}}},"updated_at":{"N":"' || updated_at
  || '"}}'
"""
# 73 bytes of names, 16 of nesting and flags; half a byte a digit.
_SIZE = "strlen(tenant || route || name || state || host || etag) + 73 + 16 + 16"
_CONTENT = """
sum(('0x' || md5(concat_ws('|', tenant, route, name, coalesce(state, '-'), revision::BIGINT,
  weight::DECIMAL(18, 4), enabled::BOOLEAN, {host}, {port}, {etag}, updated_at::BIGINT)
)[1:12])::BIGINT)
"""
_PAGES = f"""
SELECT string_agg(text, ',' ORDER BY id), count(*), sum(size), sum(content)
FROM (SELECT *, (sum(size) OVER (ORDER BY id))::BIGINT // {PAGE_BYTES} AS page FROM (
  SELECT id, {_TEXT} AS text, coalesce({_SIZE}, 105) AS size,
    {_CONTENT.format(host="host", port="port", etag="etag").strip()[4:-1]} AS content
  FROM ({_ITEMS})))
GROUP BY page ORDER BY page LIMIT $pages
"""


@dataclass(frozen=True, slots=True)
class ScanPages:
    """Page files in order. `rows`, `contents`: of the first N pages."""

    files: tuple[str, ...]
    rows: dict[int, int]
    contents: dict[int, str]
    wire_bytes: int


def write_scan_pages(directory: Path, count: int) -> ScanPages:
    """Make `count` full pages in the directory, always the same ones."""
    import duckdb

    files, rows, contents, wire_bytes = [], {}, {}, 0
    total_rows, total_content = 0, 0
    with duckdb.connect(":memory:") as connection:
        asked = {"rows": (count + 1) * _ROWS_OF_A_PAGE, "pages": count}
        pages = connection.execute(_PAGES, asked)
        for number, (items, length, size, content) in enumerate(iter(pages.fetchone, None), 1):
            body = _body(items, length, size)
            wire_bytes += len(body)
            total_rows += length
            total_content += content
            rows[number], contents[number] = total_rows, f"{total_rows}:{total_content}"
            file = directory / f"scan-{number:05d}.json"
            file.write_bytes(body)
            files.append(str(file))
    assert len(files) == count, f"{len(files)} pages of {count}"
    return ScanPages(tuple(files), rows, contents, wire_bytes)


def content(connection: Any, source: str, nested: str = "config->>'{}'") -> str:
    """The content of a table or subquery. `nested`: how an attribute of `config` is read."""
    names = {name: nested.format(name) for name in ("host", "port", "etag")}
    ((rows, total),) = connection.execute(
        f"SELECT count(*), {_CONTENT.format(**names)} FROM {source}"
    ).fetchall()
    return f"{rows}:{total}"


def _body(items: str, length: int, size: int) -> bytes:
    """All of the answer but its end."""
    capacity = {"TableName": TABLE, "CapacityUnits": float(-(-int(size) // _UNIT_BYTES))}
    head = {"ConsumedCapacity": capacity, "Count": length, "ScannedCount": length}
    beginning = json.dumps(head, separators=(",", ":")).removesuffix("}")
    return f'{beginning},"Items":[{items}]'.encode()
