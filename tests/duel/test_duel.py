"""Two producers of one dataset, stopped and continued at random, on a line that loses answers.

Whatever they do: no name has two contents, the pointer never goes back, and a follower that
restores over its own file never has a record twice or not at all. An answer that was lost is no
defeat: a producer says that it lost the lease only if the other one took it.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter.errors import SnapshotError
from snapshotter.format import Pointer
from snapshotter.layout import SnapshotId
from snapshotter.reader import read_catalog, read_header, read_pointer
from snapshotter.store import ObjectStore
from tests.duel.duellist import position_of, rows_at
from tests.restorer.accelerators import DATASET, plain_rows, stored_checkpoint
from tests.restorer.stores import bucket_store
from tests.servers import faults
from tests.servers.faults import every_nth, on
from tests.servers.proxy import FaultProxy, fault_proxy
from tests.servers.scripted import Request
from tests.servers.seaweedfs import SeaweedFS

LEASE_SECONDS = 0.8
PATIENCE_SECONDS = 90.0
MUTABLE = ("head.json", "lease.json")
EDGE = RestoreRequest(Policy(role="edge", allow_bootstrap=False, engine="sqlite"))


@dataclass
class Duellist:
    """One of the two processes."""

    home: Path
    number: int
    process: subprocess.Popen[str]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def events(self, *names: str) -> list[dict[str, Any]]:
        whole = (self.home / "log").read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] in names]


@dataclass
class Follower:
    """Restores over its own file again and again, and compares it with what it has to hold."""

    store: ObjectStore
    path: Path
    positions: list[int] = field(default_factory=list)

    def follow(self) -> None:
        restore(self.store, DATASET, self.path, EDGE)
        if not self.path.exists():
            return  # nothing is published yet
        at = stored_checkpoint(self.path, "sqlite")
        rows = {row: amount for row, amount, _ in plain_rows(self.path, "sqlite")}
        assert at is not None
        assert rows == rows_at(position_of(at)), f"version {at.version} at {position_of(at)}"
        self.positions.append(position_of(at))


class Watch(threading.Thread):
    """Looks at the pointer all the time: neither generation nor position goes back."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(daemon=True)
        self.store = store
        self.pointers: list[Pointer] = []
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(0.03):
            try:
                pointer = read_pointer(self.store, DATASET)
            except SnapshotError:
                continue
            if not self.pointers or pointer != self.pointers[-1]:
                self.pointers.append(pointer)

    @property
    def generation(self) -> int:
        return self.pointers[-1].generation if self.pointers else 0

    def assert_forward(self) -> None:
        for before, after in zip(self.pointers, self.pointers[1:], strict=False):
            assert before.generation <= after.generation
            assert len(before.catalog) <= len(after.catalog)
            if before.current is not None:
                assert after.current is not None
                assert SnapshotId.parse(before.current) <= SnapshotId.parse(after.current)


@dataclass
class Duel:
    """Both producers, the line between them and the store, and who looks on without it."""

    proxy: FaultProxy
    store: ObjectStore
    pair: list[Duellist]
    watch: Watch
    follower: Follower
    chance: random.Random = field(default_factory=lambda: random.Random(17))

    def round(self) -> None:
        """Stop one of the two for a while; the lease may expire meanwhile, or not."""
        stopped = self.chance.choice(self.pair)
        time.sleep(self.chance.uniform(0.0, 0.4))
        stopped.signal(signal.SIGSTOP)
        try:
            time.sleep(self.chance.uniform(0.0, 1.6 * LEASE_SECONDS))
        finally:
            stopped.signal(signal.SIGCONT)
        if self.chance.random() < 0.5:
            self.follower.follow()

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            for each in self.pair:
                assert each.process.poll() is None, (each.home / "log").read_text()[-4000:]
            assert time.monotonic() < end, f"waited in vain: {what}\n" + "\n".join(
                (each.home / "log").read_text()[-2000:] for each in self.pair
            )
            time.sleep(0.05)

    def assert_sound(self) -> None:
        self.watch.assert_forward()
        self._assert_one_content_for_each_name()
        self._assert_one_state_for_each_identity()
        assert self.follower.positions == sorted(self.follower.positions)
        self._assert_no_defeat_without_a_winner()

    def _assert_one_content_for_each_name(self) -> None:
        contents = defaultdict(set)
        calls = []
        for each in self.proxy.exchanges:
            if each.method != "PUT":
                continue
            if not each.path.endswith(MUTABLE):
                contents[each.path].add(each.body_digest)
            if "if-match" in each.headers or "if-none-match" in each.headers:
                calls.append(each.headers["amz-sdk-invocation-id"])
        assert {path for path, digests in contents.items() if len(digests) > 1} == set()
        assert len(calls) == len(set(calls)), "a conditional write was repeated"

    def _assert_one_state_for_each_identity(self) -> None:
        pointer = read_pointer(self.store, DATASET)
        states = defaultdict(set)
        way = []
        for entry in read_catalog(self.store, pointer):
            header = read_header(self.store, entry)
            at = header.checkpoint
            states[at.lineage.id, at.generation, at.version].add(position_of(at))
            way.append((entry.generation, position_of(at)))
        assert {name for name, positions in states.items() if len(positions) > 1} == set()
        assert way == sorted(way, reverse=True)

    def _assert_no_defeat_without_a_winner(self) -> None:
        for mine, other in (self.pair, self.pair[::-1]):
            lost = mine.events("lease_lost")
            won = other.events("lease_taken")
            assert len(lost) <= len(won), [each["message"] for each in lost]
            assert all(f"duellist/{other.number}" in each["message"] for each in lost)


@contextmanager
def duel(server: SeaweedFS, home: Path) -> Iterator[Duel]:
    name = server.bucket("duel")
    direct = bucket_store(server, name)
    with fault_proxy(server.endpoint_url) as proxy:
        began_at = time.time()
        away = replace(server, endpoint_url=proxy.endpoint_url)
        pair = [_duellist(away, name, home / f"node-{n}", n, began_at) for n in (1, 2)]
        watch = Watch(direct)
        watch.start()
        try:
            yield Duel(proxy, direct, pair, watch, Follower(direct, home / "edge" / "live.db"))
        finally:
            watch.is_over.set()
            watch.join()
            for each in pair:
                each.process.kill()
                each.process.communicate()


def _duellist(server: SeaweedFS, bucket: str, home: Path, number: int, began_at: float) -> Duellist:
    home.mkdir()
    document = {
        "version": "v1",
        "snapshots": {
            "location": f"s3://{bucket}/snapshots",
            "lease": f"{LEASE_SECONDS * 1000:.0f}ms",
            "params": {
                "s3_key": server.access_key,
                "s3_secret": server.secret_key,
                "s3_region": server.region,
                "s3_endpoint": server.endpoint_url,
            },
        },
        "datasets": [
            {
                "from": f"dynamodb:{DATASET}",
                "name": DATASET,
                "params": {"dynamodb_aws_region": "us-east-1"},
                "acceleration": {
                    "engine": "sqlite",
                    "path": str(home / "live.db"),
                    "snapshots": "enabled",
                    "snapshots_trigger": "stream_batches",
                    "snapshots_trigger_threshold": "2",
                },
            }
        ],
    }
    (home / "node.yaml").write_text(yaml.safe_dump(document))
    words = [sys.executable, "-m", "tests.duel.duellist", str(home / "node.yaml")]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [*words, str(number), str(began_at)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            cwd=Path(__file__).parents[2],
        )
    return Duellist(home, number, process)


@pytest.mark.parametrize(
    "rounds", [20, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_two_producers_that_are_stopped_and_continued_never_corrupt_a_dataset(
    seaweedfs: SeaweedFS, tmp_path: Path, rounds: int
) -> None:
    with duel(seaweedfs, tmp_path) as fight:
        fight.wait_until("a snapshot", lambda: bool(fight.watch.generation))
        seventh = every_nth(7)
        for name in (*MUTABLE, "/manifest"):
            fight.proxy.fail(faults.LOST_ANSWER, _both(on("PUT", name), seventh))
        for _ in range(rounds):
            fight.round()
        _stop_the_holder(fight)
        fight.proxy.heal()
        reached = max(fight.follower.positions, default=0)

        def goes_on() -> bool:
            fight.follower.follow()
            return bool(fight.follower.positions) and fight.follower.positions[-1] > reached

        fight.wait_until("a newer snapshot", goes_on)
        fight.watch.is_over.set()
        for each in fight.pair:
            assert each.process.stdin is not None
            each.process.stdin.write("end\n")
            each.process.stdin.flush()
        for each in fight.pair:
            assert each.process.wait(PATIENCE_SECONDS) == 0, (each.home / "log").read_text()[-4000:]
        fight.follower.follow()
        fight.assert_sound()
        lost = sum(each.fault == faults.LOST_ANSWER.name for each in fight.proxy.exchanges)
        print(  # noqa: T201 - what a soak reports
            f"{rounds} rounds: {fight.watch.generation} generations,"
            f" {len(fight.watch.pointers)} states of the pointer, {lost} answers lost,"
            f" {len(fight.follower.positions)} restores, 0 records lost, 0 doubled"
        )


def _stop_the_holder(fight: Duel) -> None:
    """However the rounds fell out: one take-over there is."""
    before = fight.watch.generation
    holder = fight.watch.pointers[-1].holder
    stopped = next(each for each in fight.pair if holder.endswith(f"/{each.number}"))
    stopped.signal(signal.SIGSTOP)
    fight.wait_until("a take-over", lambda: fight.watch.generation > before)
    stopped.signal(signal.SIGCONT)


def _both(first: faults.When, second: faults.When) -> faults.When:
    def holds(request: Request) -> bool:
        return first(request) and second(request)

    return holds
