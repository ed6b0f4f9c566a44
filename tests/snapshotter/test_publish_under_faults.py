"""Publishing to a real S3 server over a line that breaks: own success is never read as defeat.

Whatever breaks, one identity (the key of a pack or a manifest) has one content, and once the line
is whole again so is the newest snapshot.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from cdc.accelerator import Engine
from restorer.facts import Policy
from restorer.fetch import fetch
from restorer.restore import RestoreRequest, restore
from snapshotter.errors import Fenced, SnapshotError, StoreAccessDenied, StoreUnreachable
from snapshotter.publish import Publisher
from snapshotter.store import ObjectStore
from snapshotter.verify import verify
from tests.restorer import accelerators
from tests.restorer.accelerators import Producer, plain_rows, rows_of
from tests.restorer.published import DATASET, Bench
from tests.restorer.stores import bucket_store
from tests.servers import faults
from tests.servers.fault_tally import Injected
from tests.servers.faults import on
from tests.servers.proxy import Exchange, FaultProxy, fault_proxy
from tests.servers.seaweedfs import SeaweedFS
from tests.snapshotter.images import BLOCK, checkpoint, image

BLOCKS = 24
MAIN = random.Random(11).randbytes(BLOCKS * BLOCK)
BUCKET, HEAD, MANIFEST, PACK = "bucket.json", "head.json", "/manifest", "/packs/"
ON_WRITES = [
    faults.late(0.05),
    faults.RESET,
    faults.LOST_ANSWER,
    faults.S3_ERROR,
    faults.SLOW_DOWN,
    faults.S3_DENIED,
]
ON_READS = [faults.CUT_SHORT, faults.RESET_WITHIN, faults.WRONG_BYTE, faults.SLOW_DOWN]


class Line:
    """A bucket that is written through a proxy, and looked at without it."""

    def __init__(self, server: SeaweedFS, proxy: FaultProxy) -> None:
        name = server.bucket("faults")
        self.proxy = proxy
        self.store: ObjectStore = bucket_store(
            replace(server, endpoint_url=proxy.endpoint_url), name
        )
        self.direct = bucket_store(server, name)
        self.version = 0
        self.content = b""

    def publisher(self, holder: str = "a") -> Publisher:
        """One that has not taken over yet. Its packs hold a third of the file."""
        return Publisher(self.store, DATASET, holder=holder, pack_bytes=BLOCKS * BLOCK // 3)

    def taken_over(self, holder: str = "a") -> Publisher:
        publisher = self.publisher(holder)
        publisher.take_over()
        return publisher

    def publish(self, publisher: Publisher) -> None:
        """Publish the next version, of which half the blocks are new."""
        self.version += 1
        content = bytearray(MAIN)
        for block in range(0, BLOCKS, 2):
            content[block * BLOCK : block * BLOCK + 8] = self.version.to_bytes(8)
        self.content = bytes(content)
        at = checkpoint(self.direct.now(), self.version)
        publisher.publish(image(self.content, at), reason="test")

    def publish_without_pointer(self, publisher: Publisher) -> None:
        """Publish; the pointer is held back until `proxy.deliver()`, the line is whole again."""
        self.proxy.fail(faults.OVERTAKEN, on("PUT", HEAD))
        with pytest.raises(StoreUnreachable):
            self.publish(publisher)
        self.proxy.heal()

    def newest_is_whole(self, target: Path) -> None:
        """The newest snapshot is the last that was published, byte by byte."""
        bench = Bench(self.direct, self.publisher())
        report = verify(self.direct, DATASET, level="full")
        assert report.ok
        assert report.snapshot_id is not None
        plan = bench.plan(report.snapshot_id)
        assert plan.header.checkpoint.version == self.version
        fetch(self.direct, plan, [target])
        assert target.read_bytes() == self.content

    def puts(self, part: str = "") -> list[Exchange]:
        return [each for each in self.proxy.exchanges if each.method == "PUT" and part in each.path]

    def writes_are_sound(self) -> None:
        self.one_identity_has_one_content()
        self.conditional_writes_were_sent_once()

    def one_identity_has_one_content(self) -> None:
        contents = defaultdict(set)
        for each in self.puts():
            if HEAD not in each.path:
                contents[each.path].add(each.body_digest)
        assert {path for path, digests in contents.items() if len(digests) > 1} == set()

    def conditional_writes_were_sent_once(self) -> None:
        """The client numbers its calls; a retry would repeat a number."""
        sent = Counter(
            each.headers["amz-sdk-invocation-id"]
            for each in self.puts()
            if "if-match" in each.headers or "if-none-match" in each.headers
        )
        assert sent
        assert set(sent.values()) == {1}


@pytest.fixture
def line(seaweedfs: SeaweedFS, injected: Injected) -> Iterator[Line]:
    with fault_proxy(seaweedfs.endpoint_url) as proxy:
        yield Line(seaweedfs, proxy)
        injected.add_all("S3 written", proxy)


@pytest.mark.parametrize("part", [PACK, MANIFEST, HEAD])
def test_after_each_fault_of_a_write_the_next_snapshot_is_whole(
    line: Line, tmp_path: Path, part: str
) -> None:
    publisher = line.taken_over()

    for number, fault in enumerate(ON_WRITES):
        rule = line.proxy.fail(fault, on("PUT", part))
        try:
            line.publish(publisher)
        except (StoreUnreachable, StoreAccessDenied):
            assert fault.refusal is not None or fault.drops == "request" or part == PACK
        assert rule.hits > 0
        line.proxy.heal()
        line.publish(publisher)
        line.newest_is_whole(tmp_path / f"{number}")

    assert publisher.generation == 1
    line.writes_are_sound()


def test_after_each_fault_of_a_read_the_next_snapshot_is_whole(line: Line, tmp_path: Path) -> None:
    for number, fault in enumerate(ON_READS):
        publisher = line.publisher(f"node-{number}")
        rule = line.proxy.fail(fault, on("GET", ""))
        with pytest.raises(SnapshotError):
            publisher.take_over()
        assert rule.hits > 0
        line.proxy.heal()
        publisher.take_over()
        line.publish(publisher)
        line.newest_is_whole(tmp_path / f"{number}")

    line.writes_are_sound()


def test_the_first_publish_of_a_bucket_succeeds_though_no_write_is_ever_answered(
    line: Line, tmp_path: Path
) -> None:
    publisher = line.publisher()
    for part in (BUCKET, HEAD, MANIFEST):
        line.proxy.fail(faults.LOST_ANSWER, on("PUT", part))

    assert publisher.take_over() == 1
    line.publish(publisher)
    line.publish(publisher)

    assert all(each.status is None for each in line.puts() if PACK not in each.path)
    assert {Path(each.path).name: each.done for each in line.puts(".json")} == {
        BUCKET: 200,
        HEAD: 200,
    }
    line.newest_is_whole(tmp_path / "file")
    line.writes_are_sound()


def test_a_conflict_with_a_write_that_came_to_nothing_is_no_defeat(
    line: Line, tmp_path: Path
) -> None:
    conflict = faults.s3_refusal(409, "ConditionalRequestConflict")
    for part in (BUCKET, HEAD, MANIFEST):
        line.proxy.fail(conflict, on("PUT", part), 1)
    publisher = line.publisher()

    assert publisher.take_over() == 1
    line.proxy.fail(conflict, on("PUT", HEAD), 1)
    line.publish(publisher)

    assert sum(each.fault == conflict.name for each in line.puts()) == 4
    line.newest_is_whole(tmp_path / "file")


def test_a_pointer_that_arrives_after_its_publisher_gave_up_replaces_nothing(
    line: Line, tmp_path: Path
) -> None:
    publisher = line.taken_over()
    line.publish(publisher)
    line.publish_without_pointer(publisher)
    line.publish(publisher)

    assert set(line.proxy.deliver()) == {412}
    line.newest_is_whole(tmp_path / "file")


def test_a_pointer_that_arrives_before_the_next_publish_is_gone_on_from(
    line: Line, tmp_path: Path
) -> None:
    publisher = line.taken_over()
    line.publish(publisher)
    line.publish_without_pointer(publisher)

    first, *others = line.proxy.deliver()
    line.newest_is_whole(tmp_path / "late")
    line.publish(publisher)

    assert (first, set(others)) == (200, {412})
    line.newest_is_whole(tmp_path / "next")


def test_a_pointer_of_before_a_take_over_arrives_in_vain(line: Line, tmp_path: Path) -> None:
    old = line.taken_over("a")
    line.publish_without_pointer(old)
    new = line.taken_over("b")

    assert set(line.proxy.deliver()) == {412}
    with pytest.raises(Fenced):
        line.publish(old)
    line.publish(new)
    line.newest_is_whole(tmp_path / "file")


@pytest.mark.parametrize("hours", [2, -2])
def test_a_store_whose_clock_jumps_by_hours_takes_one_snapshot_after_the_other(
    line: Line, tmp_path: Path, injected: Injected, hours: int
) -> None:
    publisher = line.taken_over()
    line.publish(publisher)
    for ahead in (hours, 0):
        line.proxy.clock_ahead_seconds = ahead * 3600
        line.publish(publisher)
        line.newest_is_whole(tmp_path / f"{ahead}")
        injected.add(f"S3: clock {ahead - (0 if ahead else hours):+} h")

    assert publisher.generation == 1
    line.writes_are_sound()


def test_a_denied_write_is_named_and_goes_on_once_it_is_allowed(line: Line, tmp_path: Path) -> None:
    publisher = line.taken_over()
    line.proxy.fail(faults.S3_DENIED, on("PUT", MANIFEST))
    with pytest.raises(StoreAccessDenied, match=r"s3:PutObject on s3://.*/manifest") as denied:
        line.publish(publisher)
    assert denied.value.hint.startswith("allow s3:PutObject")

    line.proxy.heal()
    line.publish(publisher)
    line.newest_is_whole(tmp_path / "file")


@pytest.mark.parametrize("engine", get_args(Engine))
def test_a_database_that_is_published_over_a_bad_line_is_restored_row_by_row(
    line: Line, tmp_path: Path, engine: Engine
) -> None:
    producer = Producer(line.store, tmp_path / "file", engine)
    try:
        producer.put(0, 2000, seed=1)
        for part in (PACK, MANIFEST, HEAD):
            line.proxy.fail(faults.LOST_ANSWER, on("PUT", part), 1)
        line.proxy.fail(faults.CUT_SHORT, on("GET", HEAD), 1)
        producer.publish()
        producer.put(500, 100, seed=2)
        line.proxy.fail(faults.SLOW_DOWN, on("PUT", HEAD))
        with pytest.raises(StoreUnreachable):
            producer.publish()
        line.proxy.heal()
        producer.publish()
    finally:
        producer.close()

    target = tmp_path / "restored"
    restore(line.direct, accelerators.DATASET, target, RestoreRequest(Policy(role="operator")))
    expected = rows_of(0, 2000, seed=1)
    expected[500:600] = rows_of(500, 100, seed=2)
    assert plain_rows(target, engine) == expected
    line.writes_are_sound()
