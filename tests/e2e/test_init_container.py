"""`snowmelt restore` as an init container: what an orchestrator may rely on, by real processes."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snapshotter.publish import Publisher
from snapshotter.store import ObjectStore
from tests.e2e.init import Pod, bucket, noisy
from tests.e2e.nodes import PATIENCE_SECONDS, Node, Process
from tests.restorer.accelerators import DATASET, Producer
from tests.restorer.decisions import ANOTHER
from tests.restorer.stores import bucket_store
from tests.servers.faults import When, late, on
from tests.servers.proxy import fault_proxy
from tests.servers.seaweedfs import SeaweedFS
from tests.snowmelt.volumes import small_volume

NOBODY = "http://127.0.0.1:9"
PATIENT_SECONDS = 6


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return bucket(tmp_path)


@pytest.fixture
def pod(tmp_path: Path, store: ObjectStore) -> Pod:
    return Pod(tmp_path / "pod", store.url)


@pytest.fixture
def centre(tmp_path: Path, store: ObjectStore) -> Iterator[Producer]:
    """Who has published 500 rows."""
    producer = Producer(store, tmp_path / "centre.sqlite", "sqlite")
    producer.put(0, 500, seed=1)
    producer.publish()
    yield producer
    producer.close()


def until(process: Process, what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        # Before it is looked for: it may come true, and the process end, between the two.
        has_ended = process.poll() is not None
        if holds():
            return
        assert not has_ended, f"ended with {process.returncode} before: {what}"
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)


# ---------------------------------------------------------------- again and again


def test_a_second_run_finds_the_work_done_and_fetches_nothing(pod: Pod, centre: Producer) -> None:
    first = pod.restore("--json", "--report", "report.json")
    inode = pod.file.stat().st_ino
    second = pod.restore("--json", "--report", "report.json")

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.json()["snapshot_id"] is not None
    report = json.loads((pod.home / "report.json").read_text())
    assert (report["decision"], report["bytes_fetched"]) == ("keep_local", 0)
    assert pod.file.stat().st_ino == inode


def test_a_file_that_is_there_is_left_alone_without_a_question(pod: Pod) -> None:
    pod.file.parent.mkdir(parents=True)
    pod.file.write_bytes(b"here before")
    pod.location = "s3://bucket/prefix"
    pod.params = {"s3_endpoint": NOBODY, "s3_region": "us-east-1"}

    done = pod.restore("--if-not-exists")

    assert done.code == 0, done.err
    assert pod.file.read_bytes() == b"here before"
    assert pod.last_word()["decision"] == "left_alone"


def test_no_snapshot_is_well_where_that_was_said(pod: Pod) -> None:
    assert pod.restore().code == 4
    assert pod.restore("--if-snapshot-exists").code == 0
    assert pod.last_word() == {
        "format": 1,
        "verb": "restore",
        "dataset": DATASET,
        "path": str(pod.file),
        "decision": "no_snapshot",
        "exit_code": 0,
    }


# ---------------------------------------------------------------- waiting for the writer


def test_it_waits_for_a_bootstrap_and_tells_how_far_it_is(
    pod: Pod, store: ObjectStore, tmp_path: Path
) -> None:
    process = pod.start("--wait-for-snapshot", "5m")
    until(process, "nobody is there", lambda: "waiting: nobody publishes here yet" in pod.said())
    producer = Producer(store, tmp_path / "centre.sqlite", "sqlite")
    producer.publisher.announce_progress(0.43)
    line = "waiting: writer bootstrapping 43 %\n"
    until(process, "its progress", lambda: line in pod.said())
    producer.put(0, 500, seed=1)
    producer.publish()

    code = process.wait(PATIENCE_SECONDS)
    producer.close()

    assert code == 0, pod.said()
    assert pod.said().count(line) == 1
    assert pod.file.exists()


def test_it_waits_as_long_as_the_heart_beats_and_not_much_longer(
    pod: Pod, store: ObjectStore
) -> None:
    writer = Publisher(store, DATASET, holder="test")
    writer.take_over()
    stopped = threading.Event()

    def beat() -> None:
        while not stopped.wait(0.2):
            writer.announce_progress(0.5)

    beating = threading.Thread(target=beat)
    beating.start()
    # Longer than a busy machine keeps a beat away.
    process = pod.start("--wait-for-snapshot", f"{PATIENT_SECONDS}s")
    try:
        until(process, "the first look", lambda: "bootstrapping 50 %" in pod.said())
        time.sleep(1.5 * PATIENT_SECONDS)
        assert process.poll() is None, pod.said()
    finally:
        stopped.set()
        beating.join()

    assert process.wait(PATIENCE_SECONDS) == 13
    assert f"no sign of life of a writer for {PATIENT_SECONDS}.0s" in pod.said()
    assert pod.last_word()["exit_code"] == 13


def test_damage_is_waited_out_until_the_next_snapshot(
    pod: Pod, centre: Producer, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    damaged = next((tmp_path / "bucket").rglob("*.pack"))
    shutil.move(damaged, kept)
    process = pod.start("--wait-for-snapshot", "5m")
    until(process, "it waits", lambda: "waiting:" in pod.said())
    centre.put(500, 500, seed=2)
    shutil.move(kept, damaged)
    centre.publish()

    assert process.wait(PATIENCE_SECONDS) == 0, pod.said()


# ---------------------------------------------------------------- what it leaves behind


def test_the_report_and_the_last_word_say_what_was_done(pod: Pod, centre: Producer) -> None:
    done = pod.restore("--report", "report.json")

    assert done.code == 0, done.err
    report = json.loads((pod.home / "report.json").read_text())
    assert report["decision"] == "restore"
    assert report["row_count"] == 500
    assert report["bytes_fetched"] > 0
    assert {"pointer", "header", "fetch", "fsync", "prove", "switch"} <= report["phases"].keys()
    assert report["exit_code"] == 0
    assert pod.last_word() == report


def test_a_failure_is_told_with_code_message_and_hint_and_without_a_secret(pod: Pod) -> None:
    pod.location = "s3://bucket/prefix"
    pod.params = {
        "s3_auth": "key",
        "s3_key": "AKIDEXAMPLE",
        "s3_secret": "hush-hush-hush",
        "s3_endpoint": NOBODY,
        "s3_region": "us-east-1",
    }

    done = pod.restore("--report", "report.json")

    assert done.code == 8
    word = pod.last_word()
    assert word["exit_code"] == 8
    assert word["message"] in done.err
    assert word["hint"] in done.err
    assert json.loads((pod.home / "report.json").read_text()) == word
    assert "hush" not in json.dumps(word) + done.err + done.out


def test_a_configuration_that_is_wrong_is_told_too(pod: Pod) -> None:
    pod.location = "s3//typo"

    assert pod.restore().code == 2
    assert pod.last_word()["exit_code"] == 2


def test_the_edge_that_opens_the_file_tells_what_the_init_container_did(
    pod: Pod, centre: Producer, make_node: Callable[..., Node]
) -> None:
    done = pod.restore("--json").json()

    node = make_node("pod", pod.document()).start().wait_ready()

    told = node.status()["restore"]
    assert told["phases"] == done["phases"]
    assert told["bytes_fetched"] == done["bytes_fetched"] > 0
    assert node.stop() == 0


# ---------------------------------------------------------------- what it refuses


def test_the_disk_is_looked_at_before_any_data_is_asked_for(
    pod: Pod, centre: Producer, tmp_path: Path
) -> None:
    for pack in (tmp_path / "bucket").rglob("*.pack"):
        pack.unlink()  # to ask for data would be another error
    pod.prepare()
    with small_volume(pod.file.parent, "48k"):
        done = pod.restore()

    assert done.code == 12, done.err
    assert "needs" in done.err
    assert "has" in done.err
    assert pod.last_word()["exit_code"] == 12


def test_a_file_in_use_is_refused_by_name(pod: Pod, centre: Producer, tmp_path: Path) -> None:
    pod.file.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "centre.sqlite", pod.file)
    user = sqlite3.connect(pod.file)
    user.execute("PRAGMA locking_mode = EXCLUSIVE")
    user.execute("BEGIN EXCLUSIVE")

    done = pod.restore()
    user.close()

    assert done.code == 3, done.err
    assert str(pod.file) in done.err


def test_a_file_of_another_table_is_refused_and_stays(
    pod: Pod, centre: Producer, tmp_path: Path
) -> None:
    other = Producer(bucket(tmp_path / "other"), tmp_path / "other.sqlite", "sqlite")
    other.lineage = ANOTHER
    other.put(0, 10)
    other.close()
    pod.file.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "other.sqlite", pod.file)
    before = pod.file.read_bytes()

    done = pod.restore()

    assert done.code == 3, done.err
    assert "lineage" in done.err
    assert pod.file.read_bytes() == before


# ---------------------------------------------------------------- the end comes in between


def all_but_two_of_a_pack() -> When:
    seen = itertools.count()
    of_a_pack = on("GET", "/packs/")
    return lambda request: of_a_pack(request) and next(seen) > 1


def test_sigterm_ends_it_at_once_and_the_next_run_goes_on_from_there(
    pod: Pod, seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    store = bucket_store(seaweedfs, seaweedfs.bucket("init"))
    producer = Producer(store, tmp_path / "centre.sqlite", "sqlite")
    noisy(producer, rows=200, size=100_000)
    producer.publish()
    producer.close()
    pod.location = store.url
    access = {"s3_auth": "key", "s3_key": seaweedfs.access_key, "s3_secret": seaweedfs.secret_key}

    with fault_proxy(seaweedfs.endpoint_url) as proxy:
        held = proxy.fail(late(600), all_but_two_of_a_pack())
        pod.params = {**access, "s3_endpoint": proxy.endpoint_url, "s3_region": seaweedfs.region}
        process = pod.start()
        until(process, "half of it", lambda: held.hits > 0 and pod.staged_bytes() > 1_000_000)
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_SECONDS)  # while nothing arrives

    assert code == 143, pod.said()
    assert pod.last_word()["exit_code"] == 143
    assert not pod.file.exists()
    pod.params["s3_endpoint"] = seaweedfs.endpoint_url
    done = pod.restore("--json")
    assert done.code == 0, done.err
    assert done.json()["bytes_kept"] > 0


def test_sigterm_ends_a_wait_too(pod: Pod) -> None:
    process = pod.start("--wait-for-snapshot", "5m")
    until(process, "it waits", lambda: "waiting:" in pod.said())

    process.send_signal(signal.SIGTERM)

    assert process.wait(PATIENCE_SECONDS) == 143


def test_the_command_behind_it_has_its_signals_as_it_wants_them(pod: Pod, centre: Producer) -> None:
    script = "import signal; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)"

    done = pod.restore("--progress", "none", "--", "python3", "-c", script)

    assert done.out.splitlines()[-1] == "True", done.err
