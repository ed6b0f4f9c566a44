"""The benchmarks run to their end; whether they are fast is not a matter for tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kit import child, report
from benchmarks.kit.compare import Comparison, Metric, Side, WrongContent, compare

ROOT = Path(__file__).parents[2]
HERE = "tests.benchmarks.test_benchmarks"

# The documented keys: docs/benchmarks.md.
DOCUMENT = {"benchmark", "measured_at", "quick", "parameters", "machine", "load_at_end", "results"}
CAPTURE = {
    "engine",
    "records_per_s",
    "naive_records_per_s",
    "simple_records_per_s",
    "ratio",
    "ratio_simple",
    "batch_p99_ms",
    "peak_rss_mb",
    "table_rows",
    "digest_ok",
}
SHARES = {"0.1", "1", "10"}
SNAPSHOT = {
    "engine",
    "uploaded_ratio",
    "changed_page_ratio",
    "requests",
    "map_bytes",
    "seconds",
    "cpu_seconds",
    "litestream_seconds",
    "litestream_bytes",
    "whole_copy_seconds",
    "apply_p99_ms_idle",
    "apply_p99_ms_during",
    "longest_stall_ms",
}
RESTORE = {
    "engine",
    "file_mb",
    "seconds",
    "fsync_seconds",
    "cp_seconds",
    "ratio_s5cmd_zstd",
    "ratio_s5cmd_raw",
    "ratio_litestream",
    "ratio_cp",
    "peak_rss_mb",
    "store_requests",
}
SEEDED = {
    "engine",
    "file_mb",
    "changed_rows",
    "fetched_mb",
    "fetched_ratio",
    "seconds",
    "cached_seconds",
    "times_faster_cached",
    "unseeded_seconds",
    "times_faster",
    "fsync_seconds",
    "peak_rss_mb",
}
COLDSTART = {
    "engine",
    "items",
    "bootstrap_seconds",
    "bootstrap_rows_per_s",
    "restore_seconds",
    "fsync_seconds",
    "ratio",
    "ratio_without_fsync",
}
RESULT = {"comparison", "measure", "metrics", "sides", "ratios", "same_content"}


def document(name: str, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--json", "--rounds", "1"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(
    found: dict[str, Any], headline: str, roles: set[str], more: frozenset[str] = frozenset()
) -> None:
    assert found.keys() == DOCUMENT | more
    assert found["machine"]["cores"]
    for result in found["results"]:
        assert result.keys() == RESULT
        assert result["same_content"] is True
        assert {side["role"] for side in result["sides"].values()} == roles
        for side in result["sides"].values():
            assert side[headline]["median"] > 0
            assert side["peak_rss_mib"]["median"] > 0
        for ratios in result["ratios"].values():
            assert ratios[headline].keys() == {"median", "min", "max", "runs"}
    assert report.table(found).startswith(found["benchmark"])


def test_capture_runs_to_its_end_and_all_sides_agree() -> None:
    found = document("capture", "--size", "8", "--rows", "2000", "--engine", "sqlite")

    assert found.keys() >= CAPTURE
    assert found["digest_ok"] is True
    assert found["records"]["snowmelt"] == 8_000
    assert 0.9 < found["record_bytes"] / 1_200 < 1.1
    for name in ("records_per_s", "naive_records_per_s", "simple_records_per_s", "batch_p99_ms"):
        assert found[name] > 0


def test_the_decode_alone_gives_back_every_item() -> None:
    found = document("capture", "--decode", "--size", "4", "--rows", "2000")

    assert found["digest_ok"] is True
    assert found["records"] == 4_000
    assert found["decode_rows_per_s"] > 0
    assert found["parse_records_per_s"] > 0


def test_a_stream_without_order_is_sifted_to_exact_rows() -> None:
    found = document("kinesis", "--size", "4", "--rows", "2000", "--engine", "duckdb")

    assert found["digest_ok"] is True
    assert found["records"] == 2_000
    assert found["duplicates"] > 50
    assert 0.9 < found["document_bytes"] / 1_200 < 1.1
    for step in ("parse", "sift", "decode", "sift_and_decode"):
        assert found[f"{step}_cpu_us_per_record"] > 0


def test_snapshot_counts_what_is_uploaded_and_times_commits_beside_snapshots() -> None:
    found = document("snapshot", "--size", "2000", "--engine", "duckdb", "--store", "file")

    assert found.keys() >= SNAPSHOT
    assert found["content_ok"] is True
    assert found["uploaded_ratio"].keys() == found["changed_page_ratio"].keys() == SHARES
    assert 0 < found["map_bytes"] < found["snapshots"]["1"]["uploaded_bytes"]
    assert found["snapshots"]["full"]["blocks_new"] > found["snapshots"]["1"]["blocks_new"] > 0
    for name in ("requests", "seconds", "cpu_seconds", "whole_copy_seconds", "longest_stall_ms"):
        assert found[name] > 0
    assert found["snapshots_skipped"] == 0
    assert min(found["commits"].values()) > 0


def test_restore_runs_to_its_end_and_all_sides_agree() -> None:
    found = document("restore", "--size", "2000", "--engine", "sqlite", "--store", "file")

    assert found.keys() >= RESTORE
    assert found["content_ok"] is True
    assert found["ratio_cp"] > 0
    assert found["file_mb"] > found["fetched_mb"] > 0
    for name in ("seconds", "fsync_seconds", "cp_seconds", "peak_rss_mb", "store_requests"):
        assert found[name] > 0
    assert found["cold_by"] in ("drop_caches", "fadvise")


def test_a_seeded_restore_runs_to_its_end_and_fetches_less() -> None:
    found = document("seeded", "--size", "20000", "--engine", "sqlite", "--store", "file")

    assert found.keys() >= SEEDED
    assert found["content_ok"] is True
    assert found["changed_rows"] == 200
    assert 0 < found["fetched_ratio"] < 0.5
    for name in ("seconds", "cached_seconds", "unseeded_seconds", "times_faster"):
        assert found[name] > 0


@pytest.mark.soak
def test_a_cold_start_by_both_ways_runs_to_its_end() -> None:
    found = document("coldstart", "--size", "2", "--engine", "duckdb")

    assert found.keys() >= COLDSTART
    assert found["content_ok"] is True
    assert found["ratio"] > 0
    assert found["items"] > 5_000


@pytest.mark.soak
def test_bootstrap_runs_to_its_end_and_all_sides_agree() -> None:
    found = document("bootstrap", "--size", "2", "--no-tools")

    check(found, "records_per_second", {"snowmelt", "competent"}, frozenset({"figures"}))
    assert [figures["engine"] for figures in found["figures"]] == ["duckdb", "sqlite"]
    for figures in found["figures"]:
        assert figures["content_ok"]
        assert figures["rows_per_s"] > 0
        assert figures["cpu_us_per_row"] > 0
        assert figures["ratio_cpu_boto3"] > 0


@pytest.mark.soak
def test_polling_runs_to_its_end_by_both_ways() -> None:
    found = document("polling", "--size", "20")

    check(found, "cpu_us_per_call", {"snowmelt", "competent"})
    assert [each["measure"] for each in found["results"]] == [
        "1 thread",
        "16 threads",
        "20 idle shards",
    ]


# Sides of the tests below, called by name in a process of their own.
def half_a_second(_params: dict[str, Any]) -> dict[str, Any]:
    return {"measures": {"work": {"seconds": 0.5}}, "content": "same"}


def two_seconds(_params: dict[str, Any]) -> dict[str, Any]:
    return {"measures": {"work": {"seconds": 2.0}}, "content": "same"}


def comparison(*, expected: str) -> Comparison:
    sides = (
        Side("ours", "snowmelt", f"{HERE}:half_a_second", {}, "same"),
        Side("theirs", "naive", f"{HERE}:two_seconds", {}, expected),
    )
    return Comparison("pairs", sides, (Metric("seconds", "seconds"),))


def test_sides_take_turns_and_every_other_turn_goes_backwards() -> None:
    told: list[str] = []

    (result,) = compare(comparison(expected="same"), 2, told.append)

    assert [line.rpartition(" ")[2] for line in told] == ["ours", "theirs", "theirs", "ours"]
    assert result["ratios"]["theirs"]["seconds"]["runs"] == [4.0, 4.0]


def test_a_side_with_other_content_ends_the_benchmark() -> None:
    with pytest.raises(WrongContent, match="theirs produced same, not other"):
        compare(comparison(expected="other"), 1, lambda _: None)


def test_a_side_that_fails_is_named() -> None:
    with pytest.raises(child.SideFailed, match="missing"):
        child.run("benchmarks.kit.missing:run", {})
