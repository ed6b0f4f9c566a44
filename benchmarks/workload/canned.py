"""A stream on loopback that answers from page files, in a process of its own.

It knows the six calls that capture makes. The table is empty, so a bootstrap ends at once and all
items come through the stream. The port is printed; the process ends when its input does.
"""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.workload.content import DATASET
from benchmarks.workload.pages import KEY_NAMES, SHARDS, checksum, next_page, shard_id

_ARN = f"arn:aws:dynamodb:us-east-1:000000000000:table/{DATASET}"
STREAM_ARN = f"{_ARN}/stream/2026-01-01T00:00:00.000"
_ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def serving(files: Sequence[str]) -> Iterator[str]:
    """A server in a process of its own; its address."""
    command = [sys.executable, "-m", "benchmarks.workload.canned"]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps(list(files)), file=process.stdin, flush=True)
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def _table() -> dict[str, Any]:
    names = zip(KEY_NAMES, ("HASH", "RANGE"), strict=True)
    return {
        "TableName": DATASET,
        "TableArn": _ARN,
        "TableId": "benchmark",
        "CreationDateTime": 1_790_000_000.0,
        "LatestStreamArn": STREAM_ARN,
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"} for name in KEY_NAMES
        ],
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in names],
        "ItemCount": 0,
    }


def _stream() -> dict[str, Any]:
    beginning = {"StartingSequenceNumber": "1"}
    return {
        "StreamArn": STREAM_ARN,
        "StreamStatus": "ENABLED",
        "Shards": [
            {"ShardId": shard_id(shard), "SequenceNumberRange": beginning}
            for shard in range(SHARDS)
        ],
    }


@dataclass(frozen=True, slots=True)
class _Page:
    """A page file; its bytes go from the file system's cache to the socket."""

    path: Path
    size: int
    checksum: str


def _page(path: Path) -> _Page:
    body = path.read_bytes()
    return _Page(path, len(body), checksum(body))


@dataclass(slots=True)
class _Pace:
    """How many pages there are: all, or `first` and so many a second from an instant on."""

    began_at: float = 0.0
    pages_per_second: float = math.inf
    first: float = 0
    last: float = math.inf

    def released(self) -> float:
        came = self.first + (time.time() - self.began_at) * self.pages_per_second
        return min(self.last, came)


def pace(endpoint: str, pages_per_second: float, first: int, last: int) -> float:
    """From now on let pages come one by one behind the `first` ones up to `last`, each when full.

    The instant (epoch seconds) at which it began.
    """
    asked = {"pages_per_second": pages_per_second, "first": first, "last": last}
    body = json.dumps(asked).encode()
    request = urllib.request.Request(  # noqa: S310 - the server of this module
        endpoint, body, {"X-Amz-Target": "Benchmark.Pace"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - the same
        return float(json.load(answer)["BeganAt"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open, as the service does
    disable_nagle_algorithm = True
    pages: Sequence[_Page] = ()
    pace = _Pace()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = self.headers["X-Amz-Target"].rpartition(".")[2]
        shard, _, number = asked.get("ShardIterator", "").partition(":")
        if call == "GetRecords" and int(number) + 1 <= min(len(self.pages), self.pace.released()):
            page = self.pages[int(number)]
            self._head(page.size, page.checksum)
            with page.path.open("rb") as file:
                self.connection.sendfile(file)
            return
        body = self._answer(call, asked, shard, number)
        self._head(len(body), checksum(body))
        self.wfile.write(body)

    def _head(self, length: int, crc: str) -> None:
        self.send_response_only(200)
        for name, value in {
            "Content-Type": "application/x-amz-json-1.0",
            "Content-Length": str(length),
            "x-amz-crc32": crc,
            "Date": formatdate(usegmt=True),
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, call: str, asked: dict[str, Any], shard: str, number: str) -> bytes:
        answer: dict[str, Any]
        match call:
            case "GetRecords":
                answer = {"Records": [], "NextShardIterator": f"{shard}:{number}"}
            case "GetShardIterator":
                names = [shard_id(shard) for shard in range(SHARDS)]
                number_of_shard = names.index(asked["ShardId"])
                first = next_page(number_of_shard, asked.get("SequenceNumber", "0"))
                answer = {"ShardIterator": f"{number_of_shard}:{first}"}
            case "Pace":
                _Handler.pace = _Pace(time.time(), **asked)
                answer = {"BeganAt": self.pace.began_at}
            case "DescribeTable":
                answer = {"Table": _table()}
            case "DescribeStream":
                answer = {"StreamDescription": _stream()}
            case _:
                answer = {"Items": [], "Count": 0, "ScannedCount": 0}
        return json.dumps(answer).encode()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
        """Nothing: a line for each request costs more than the request."""


def _main(files: Sequence[str]) -> None:
    _Handler.pages = [_page(Path(file)) for file in files]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    _main(json.loads(sys.stdin.readline()))
