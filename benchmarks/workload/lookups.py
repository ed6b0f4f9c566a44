"""Looks keys up through a query socket, 50 a second: a process of its own beside a node.

Prints the seconds that each took, as JSON. Arguments: socket, rows in the table, seconds.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import sys
import time

from benchmarks.workload.content import DATASET

_PER_SECOND = 50


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def _main(path: str, rows: int, seconds: float) -> None:
    connection, seeded, taken = _Connection(path), random.Random(rows), list[float]()
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        number = seeded.randrange(rows)
        key = [f"tenant#{number % 500:04d}", f"route#{number:08d}"]
        connection.request("POST", f"/v1/datasets/{DATASET}/item", json.dumps(key))
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        taken.append(time.perf_counter() - now)
        time.sleep(max(0.0, now + 1 / _PER_SECOND - time.perf_counter()))
    print(json.dumps(taken))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
