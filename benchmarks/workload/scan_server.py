"""A table on loopback that answers Scan from page files, in a process of its own.

Pages are dealt to the segments that a client asks for, so that each reads the table once whatever
number it chooses; the key to go on from names the next page. The stream has one idle shard. The
port is printed; the process ends when its input does.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.workload.scan_pages import KEY_NAMES, PAGE_BYTES, TABLE

_ARN = f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}"
_STREAM_ARN = f"{_ARN}/stream/2026-01-01T00:00:00.000"
_SHARD = "shardId-00000001790000000000-00000000"
_ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def serving(files: Sequence[str], rows: int) -> Iterator[str]:
    """A server in a process of its own; its address. `rows`: what the table says it has."""
    command = [sys.executable, "-m", "benchmarks.workload.scan_server", str(rows), *files]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def _table(rows: int, pages: int) -> dict[str, Any]:
    names = zip(KEY_NAMES, ("HASH", "RANGE"), strict=True)
    return {
        "TableName": TABLE,
        "TableArn": _ARN,
        "TableId": "benchmark",
        "TableStatus": "ACTIVE",
        "CreationDateTime": 1_790_000_000.0,
        "LatestStreamArn": _STREAM_ARN,
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"} for name in KEY_NAMES
        ],
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in names],
        "ItemCount": rows,
        "TableSizeBytes": pages * PAGE_BYTES,
    }


def _stream() -> dict[str, Any]:
    shard = {"ShardId": _SHARD, "SequenceNumberRange": {"StartingSequenceNumber": "1"}}
    return {"StreamArn": _STREAM_ARN, "StreamStatus": "ENABLED", "Shards": [shard]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open, as the service does
    disable_nagle_algorithm = True
    pages: Sequence[tuple[bytes, int]] = ()
    rows = 0

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = self.headers["X-Amz-Target"].rpartition(".")[2]
        if call == "Scan":
            page, checksum, end = self._scan(asked)
        else:
            page, checksum, end = b"", 0, json.dumps(self._answer(call)).encode()
        self.send_response_only(200)
        for name, value in {
            "Content-Type": "application/x-amz-json-1.0",
            "Content-Length": str(len(page) + len(end)),
            "x-amz-crc32": str(zlib.crc32(end, checksum)),
            "Date": formatdate(usegmt=True),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)
        self.wfile.write(end)

    def _scan(self, asked: dict[str, Any]) -> tuple[bytes, int, bytes]:
        """A page, its checksum, and the end of the answer."""
        start = asked.get("ExclusiveStartKey")
        number = int(start["route"]["S"]) if start else asked.get("Segment", 0)
        if number >= len(self.pages):
            return b"", 0, b'{"Count":0,"Items":[],"ScannedCount":0}'
        following = number + asked.get("TotalSegments", 1)
        key = {"tenant": {"S": "page"}, "route": {"S": str(following)}}
        end = f',"LastEvaluatedKey":{json.dumps(key)}}}' if following < len(self.pages) else "}"
        return *self.pages[number], end.encode()

    def _answer(self, call: str) -> dict[str, Any]:
        match call:
            case "DescribeTable":
                return {"Table": _table(self.rows, len(self.pages))}
            case "DescribeStream":
                return {"StreamDescription": _stream()}
            case "GetShardIterator":
                return {"ShardIterator": _SHARD}
            case _:
                return {"Records": [], "NextShardIterator": _SHARD}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
        """Nothing: a line for each request costs more than the request."""


def _main(rows: str, *files: str) -> None:
    bodies = [Path(file).read_bytes() for file in files]
    _Handler.pages = [(body, zlib.crc32(body)) for body in bodies]
    _Handler.rows = int(rows)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    _main(*sys.argv[1:])
