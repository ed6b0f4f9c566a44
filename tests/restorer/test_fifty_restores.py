"""Fifty restores at once with a limit: all end, none long after the others, few requests each."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pytest

from restorer.bandwidth import Bandwidth
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter.publish import Publisher
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import DATASET, Producer
from tests.restorer.published import directory_store
from tests.restorer.stores import PATIENT, CountedStore

NODES = 50
PART_BYTES = 256 * 1024
# As in the product, where a part is 8 MiB and a read has 12 at most.
READ_BYTES = PART_BYTES * 3 // 2
SMALL = {"bucket.json", "head.json", "manifest"}
OPERATOR = Policy(role="operator")

NODE = """
import sys
from pathlib import Path
from restorer import plan
from restorer.bandwidth import Bandwidth
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from tests.restorer.published import directory_store

bucket, target, ledger, dataset, rate, read_bytes = sys.argv[1:]
plan.READ_BYTES = int(read_bytes)
limit = Bandwidth(float(rate), Path(ledger))
request = RestoreRequest(Policy(role="operator"), bandwidth=limit)
restore(directory_store(Path(bucket)), dataset, Path(target), request)
"""


class Noted(Bandwidth):
    """Remembers where this user's reservations ended; the first waits for that of all others.

    On a slow machine the first to start would have ended before the last has begun.
    """

    last = 0.0

    def __init__(self, rate: float, ledger: Path, everybody: threading.Barrier) -> None:
        super().__init__(rate, ledger)
        self._everybody, self._is_here = everybody, False
        self._coming = threading.Lock()

    def reserve(self, size: int) -> float:
        with self._coming:
            if not self._is_here:
                self._everybody.wait(300)
                self._is_here = True
        begin = super().reserve(size)
        self.last = max(self.last, begin + size / self._rate)
        return begin


@dataclass
class Node:
    store: CountedStore
    limit: Noted
    target: Path
    keys: Counter[str] = field(default_factory=Counter)

    def run(self) -> int:
        """Bytes of packs that were fetched."""
        request = RestoreRequest(OPERATOR, bandwidth=self.limit)
        return restore(self.store, DATASET, self.target, request).bytes_fetched


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A snapshot of about a megabyte in one pack."""
    monkeypatch.setattr("restorer.plan.READ_BYTES", READ_BYTES)
    store = directory_store(tmp_path / "bucket")
    producer = Producer(store, tmp_path / "source", "sqlite")
    producer.publisher = Publisher(store, DATASET, holder="test")
    producer.publisher.take_over()
    producer.put(0, 12_000, seed=1)
    producer.publish()
    producer.close()
    return store


def test_fifty_at_once_share_the_limit_and_ask_little(
    published: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Four hundred threads of one process wait for each other; that is no late store.
    monkeypatch.setattr("restorer.fetch.Patience", lambda: PATIENT)
    ledger, rate, everybody = tmp_path / "ledger", 8e6, threading.Barrier(NODES)
    nodes = [
        Node(
            CountedStore(published), Noted(rate, ledger, everybody), tmp_path / str(number) / "file"
        )
        for number in range(NODES)
    ]
    for node in nodes:
        node.target.parent.mkdir()
    started = time.monotonic()

    with ThreadPoolExecutor(NODES) as pool:
        fetched = list(pool.map(Node.run, nodes))

    contents = {node.target.read_bytes() for node in nodes}
    assert len(contents) == 1
    for node, size in zip(nodes, fetched, strict=True):
        asked = Counter(key.rpartition("/")[2] for key, _ in node.store.reads)
        small = sum(count for name, count in asked.items() if name in SMALL)
        assert small <= 3, asked
        assert asked.total() - small <= math.ceil(size / PART_BYTES), asked
    # The limit holds, and nobody was served last.
    ends = sorted(node.limit.last - started for node in nodes)
    assert ends[-1] >= sum(fetched) / rate * 0.95
    assert ends[-1] <= 1.5 * median(ends)


@pytest.mark.soak
def test_fifty_processes_at_once_end_within_twice_their_fair_share(
    published: ObjectStore, tmp_path: Path
) -> None:
    rate = 0.5e6
    alone = CountedStore(published)
    size = restore(alone, DATASET, tmp_path / "alone", RestoreRequest(OPERATOR)).bytes_fetched
    fair_seconds = NODES * size / rate
    started, ends = time.monotonic(), list[float]()
    nodes = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", NODE, str(tmp_path / "bucket")),
                *(str(tmp_path / f"file-{number}"), str(tmp_path / "ledger"), DATASET),
                *(str(rate), str(READ_BYTES)),
            ]
        )
        for number in range(NODES)
    ]

    for node in nodes:
        assert node.wait() == 0
        ends.append(time.monotonic() - started)

    assert max(ends) <= 2 * fair_seconds
    assert max(ends) >= 0.9 * fair_seconds
    whole = (tmp_path / "alone").read_bytes()
    assert all((tmp_path / f"file-{number}").read_bytes() == whole for number in range(NODES))
