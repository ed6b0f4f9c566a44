"""Restoring from a real S3 server over a line that breaks: nothing wrong, and nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import pytest

from cdc.accelerator import Engine
from restorer.errors import RestoreError
from restorer.facts import Policy
from restorer.restore import RestoreReport, RestoreRequest, restore
from restorer.verdict import Action
from snapshotter.errors import SnapshotError, StoreAccessDenied, StoreUnreachable
from snapshotter.publish import Publisher
from snapshotter.s3_store import S3Store
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import DATASET, Producer, plain_rows, rows_of
from tests.restorer.stores import PATIENT, bucket_store
from tests.servers import faults
from tests.servers.fault_tally import Injected
from tests.servers.faults import every, on
from tests.servers.proxy import Exchange, FaultProxy, fault_proxy
from tests.servers.seaweedfs import SeaweedFS

ROWS = 20_000
OPERATOR = Policy(role="operator")
# Each is met by a pack of its own; botocore repeats those that come before a body, we the others.
FAULTS = [
    faults.late(0.1),
    faults.RESET,
    faults.LOST_ANSWER,
    faults.RESET_WITHIN,
    faults.CUT_SHORT,
    faults.trickle(200_000),
    faults.SLOW_DOWN,
    faults.S3_ERROR,
]


def on_pack(number: int) -> faults.When:
    return on("GET", f"-{number:05d}.pack")


@dataclass
class Line:
    """A snapshot in many packs, which is read through a proxy."""

    proxy: FaultProxy
    store: ObjectStore
    engine: Engine
    target: Path

    def restore(self, policy: Policy = OPERATOR) -> RestoreReport:
        return restore(self.store, DATASET, self.target, RestoreRequest(policy, threads=4))

    def is_whole(self) -> bool:
        return plain_rows(self.target, self.engine) == rows_of(0, ROWS, seed=1)

    def reads(self) -> list[Exchange]:
        """Of packs."""
        return [each for each in self.proxy.exchanges if ".pack" in each.path]

    def whole_reads(self) -> Counter[tuple[str, str]]:
        """How often each range of a pack arrived as it is."""
        partial = {faults.CUT_SHORT.name, faults.RESET_WITHIN.name, faults.WRONG_BYTE.name}
        return Counter(
            (each.path, each.range)
            for each in self.reads()
            if each.status == 206 and each.fault not in partial
        )


@pytest.fixture(scope="module", params=get_args(Engine))
def published(
    request: pytest.FixtureRequest,
    seaweedfs: SeaweedFS,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Engine, str]:
    """An engine, and the name of a bucket with a snapshot of its file."""
    name = seaweedfs.bucket("restore")
    store = bucket_store(seaweedfs, name)
    producer = Producer(store, tmp_path_factory.mktemp("source") / "file", request.param)
    producer.publisher = Publisher(store, DATASET, holder="test", pack_bytes=32 * 1024)
    producer.publisher.take_over()
    producer.put(0, ROWS, seed=1)
    producer.publish()
    producer.close()
    return request.param, name


@pytest.fixture
def line(
    published: tuple[Engine, str], seaweedfs: SeaweedFS, tmp_path: Path, injected: Injected
) -> Iterator[Line]:
    engine, name = published
    with fault_proxy(seaweedfs.endpoint_url) as proxy:
        server = replace(seaweedfs, endpoint_url=proxy.endpoint_url)
        yield Line(proxy, bucket_store(server, name), engine, tmp_path / "target")
        injected.add_all("S3 read", proxy)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second tries: what is counted is the rest."""
    monkeypatch.setattr("restorer.fetch.Patience", lambda: PATIENT)


@pytest.mark.usefixtures("patient")
def test_each_fault_of_a_pack_costs_one_more_read_of_it_and_nothing_else(line: Line) -> None:
    rules = [line.proxy.fail(each, on_pack(number), 1) for number, each in enumerate(FAULTS)]
    for part in ("bucket.json", "head.json", "/manifest"):
        line.proxy.fail(faults.CUT_SHORT, on("GET", part), 1)

    line.restore()

    assert line.is_whole()
    assert [rule.hits for rule in rules] == [1] * len(rules)
    assert set(line.whole_reads().values()) == {1}
    harmless = (FAULTS[0].name, FAULTS[5].name)
    repeated = [each for each in line.reads() if each.fault and each.fault not in harmless]
    assert len(line.reads()) == len(line.whole_reads()) + len(repeated)


@pytest.mark.usefixtures("patient")
def test_what_arrived_before_the_store_went_away_is_not_fetched_again(line: Line) -> None:
    line.proxy.fail(faults.SLOW_DOWN, on_pack(5))
    with pytest.raises(StoreUnreachable, match="SlowDown") as away:
        line.restore()
    assert away.value.exit_code == 8
    assert not line.target.exists()
    before = sum(line.whole_reads().values())
    line.proxy.heal()

    report = line.restore()

    assert before > 0
    assert report.bytes_fetched > 0
    assert line.is_whole()
    assert set(line.whole_reads().values()) == {1}


def test_lines_that_trickle_are_given_up_for_others(line: Line) -> None:
    for number in (1, 2):
        line.proxy.fail(faults.trickle(100), on_pack(number), 1)

    line.restore()

    assert line.is_whole()
    stuck = [each for each in line.reads() if each.fault]
    whole = {(each.path, each.range): each.sent_bytes for each in line.reads() if not each.fault}
    assert len(stuck) == 2
    # Minutes of them are left.
    assert all(each.sent_bytes < whole[each.path, each.range] for each in stuck)


@pytest.mark.parametrize("part", ["bucket.json", "head.json", "/manifest", "-00003.pack"])
def test_a_line_that_only_trickles_ends_with_8_in_bounded_time(line: Line, part: str) -> None:
    assert isinstance(line.store, S3Store)
    line.store.patience_seconds = 0.5
    line.proxy.fail(faults.trickle(100), on("GET", part))

    with pytest.raises(StoreUnreachable, match="GetObject") as ended:
        line.restore()

    assert ended.value.exit_code == 8
    assert not line.target.exists()


@pytest.mark.usefixtures("patient")
def test_a_storm_of_refusals_is_sat_out(line: Line) -> None:
    storm = line.proxy.fail(faults.SLOW_DOWN, faults.every_nth(2))

    line.restore()

    assert line.is_whole()
    assert storm.hits > 5
    assert set(line.whole_reads().values()) == {1}


def test_a_slow_store_is_waited_for(line: Line) -> None:
    line.proxy.fail(faults.late(0.3), every)

    line.restore()

    assert line.is_whole()


@pytest.mark.parametrize("part", ["bucket.json", "head.json", "/manifest", "-00003.pack"])
def test_a_wrong_byte_is_refused_with_5_and_harms_no_later_restore(line: Line, part: str) -> None:
    line.proxy.fail(faults.WRONG_BYTE, on("GET", part))
    with pytest.raises((SnapshotError, RestoreError)) as caught:
        line.restore()
    refused = caught.value
    assert isinstance(refused, SnapshotError | RestoreError)
    assert refused.exit_code == 5
    assert "\n" not in str(refused)
    assert not line.target.exists()
    line.proxy.heal()

    line.restore()

    assert line.is_whole()


def test_a_denied_read_is_refused_with_9_and_names_the_action(line: Line) -> None:
    line.proxy.fail(faults.S3_DENIED, on("GET", ".pack"))
    with pytest.raises(StoreAccessDenied, match=r"s3:GetObject on s3://.*\.pack") as denied:
        line.restore()
    assert denied.value.exit_code == 9
    line.proxy.heal()

    line.restore()

    assert line.is_whole()


@pytest.mark.parametrize(
    "policy, action",
    [
        (Policy(bootstrap_on_failure="warn"), Action.BOOTSTRAP),
        (Policy(bootstrap_on_failure="retry"), Action.WAIT),
        (Policy(role="edge"), Action.WAIT),
    ],
    ids=["warn", "retry", "edge"],
)
def test_a_closed_store_is_answered_as_the_policy_says(
    seaweedfs: SeaweedFS, tmp_path: Path, policy: Policy, action: Action
) -> None:
    with fault_proxy(seaweedfs.endpoint_url) as proxy:
        server = replace(seaweedfs, endpoint_url=proxy.endpoint_url)
        store = bucket_store(server, "anything")
        proxy.close()
        report = restore(store, DATASET, tmp_path / "target", RestoreRequest(policy))

    assert report.decision.action is action
    reason = report.decision.reasons[0]
    assert "s3:GetObject on s3://anything" in reason
    assert "Could not connect" in reason
    assert "\n" not in reason
