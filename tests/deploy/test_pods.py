"""Pods as they are rendered, container by container, on a bucket of a release."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.deploy.kubelet import Kubelet
from tests.deploy.manifests import ROOT, Pod, pods

pytestmark = pytest.mark.network
GOLDEN = ROOT / "tests/golden/format-1/sqlite"


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """One that holds the dataset of the manifests."""
    return Path(shutil.copytree(GOLDEN / "bucket", tmp_path / "bucket"))


@pytest.fixture
def rows() -> int:
    """Of its newest snapshot."""
    snapshots = json.loads((GOLDEN / "expected.json").read_text())["snapshots"]
    count: int = snapshots[max(snapshots)]["row_count"]
    return count


def pod_of(overlay: str, kind: str) -> Pod:
    return next(pod for pod in pods(overlay) if pod.owner["kind"] == kind)


def test_an_application_reads_its_table_from_localhost(
    tmp_path: Path, bucket: Path, rows: int
) -> None:
    kubelet = Kubelet(pod_of("edge", "Deployment"), tmp_path / "volumes", bucket)
    restored = kubelet.run("restore")
    assert restored.code == 0, restored.err

    with kubelet.running("snowmelt"):
        said = kubelet.first_line_of_the_application()

    assert said["rows"] == [{"items": rows}]


def test_the_next_pod_of_a_node_serves_what_the_one_before_has_fetched(
    tmp_path: Path, bucket: Path, rows: int
) -> None:
    pod = pod_of("edge-daemonset", "DaemonSet")
    first = Kubelet(pod, tmp_path / "node", bucket)
    restored = first.run("restore")
    assert restored.code == 0, restored.err
    shutil.rmtree(bucket / "pipelines" / "packs")  # nothing can be fetched any more

    second = Kubelet(pod, tmp_path / "node", bucket)
    again = second.run("restore")
    assert again.code == 0, again.err
    with second.running("snowmelt"):
        socket = tmp_path / "node" / "data" / "query.sock"
        assert socket.is_socket()
        asked = second.verb("query", "select count(*) as items from pipelines", "--json")

    assert asked.json() == [{"items": rows}]


def test_the_nightly_drill_proves_the_newest_snapshot(
    tmp_path: Path, bucket: Path, rows: int
) -> None:
    kubelet = Kubelet(pod_of("central", "CronJob"), tmp_path / "volumes", bucket)

    drilled = kubelet.run("drill")

    assert drilled.code == 0, drilled.err
    assert f"{rows} items" in drilled.out
    assert not [*(tmp_path / "volumes" / "scratch").iterdir()]


def test_a_recovery_leaves_a_file_in_its_volume(tmp_path: Path, bucket: Path, rows: int) -> None:
    kubelet = Kubelet(pod_of("disaster-recovery", "Job"), tmp_path / "volumes", bucket)

    recovered = kubelet.run("restore")

    assert recovered.code == 0, recovered.err
    file = tmp_path / "volumes" / "restored" / "pipelines.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("select count(*) from pipelines").fetchone() == (rows,)
