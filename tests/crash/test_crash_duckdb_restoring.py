"""DuckDB nodes that restore, and what people do with a bucket, killed at every crash point."""

import pytest

from tests.crash import stories
from tests.crash.lives import Bench
from tests.crash.points import RESTORING, Restoring, assert_none_was_left_out
from tests.crash.telling import Landed, tell_all
from tests.servers.seaweedfs import SeaweedFS

ENGINE = "duckdb"
# One test tells up to ten lives; each wait in them has a bound of its own.
pytestmark = pytest.mark.timeout(1800)


def is_mine(site: str) -> bool:
    return site.startswith(RESTORING)


def is_elsewhere(site: str) -> bool:
    """Nodes with a life of their own, whose tests another worker has."""
    return not is_mine(site)


class TestRestoring(Restoring):
    pass


def test_a_doctor_killed_anywhere_is_in_nobodys_way(
    bench: Bench, location: str, landed: Landed
) -> None:
    tell_all("doctor", stories.doctor(bench, location), landed, only=landed.is_new)
    memory = stories.doctor(bench, "memory://doctor")
    tell_all("doctor, memory", memory, landed, only=landed.is_new)


def test_a_drill_killed_anywhere_leaves_nothing_behind_the_next(
    bench: Bench, location: str, landed: Landed
) -> None:
    tell_all("drill", stories.drill(bench, location), landed, only=landed.is_new)


def test_a_prune_killed_anywhere_is_finished_by_the_next(bench: Bench, landed: Landed) -> None:
    tell_all(
        "prune",
        stories.prune(bench),
        landed,
        only=lambda site: landed.is_new(site) or site.startswith("snapshotter.swap"),
    )


def test_a_node_that_publishes_into_memory_may_be_killed(bench: Bench, landed: Landed) -> None:
    story = stories.publish(bench, "memory://bucket")
    tell_all("memory", story, landed, only=landed.is_new)


def test_a_node_that_publishes_to_s3_may_be_killed_anywhere(
    bench: Bench, landed: Landed, seaweedfs: SeaweedFS
) -> None:
    store = {
        "s3_auth": "key",
        "s3_key": seaweedfs.access_key,
        "s3_secret": seaweedfs.secret_key,
        "s3_region": seaweedfs.region,
        "s3_endpoint": seaweedfs.endpoint_url,
    }
    bucket = seaweedfs.bucket("crash")
    publish = stories.publish(bench, f"s3://{bucket}/bucket", store)
    tell_all("s3", publish, landed, only=landed.is_new)
    doctor = stories.doctor(bench, f"s3://{bucket}/doctor", seaweedfs)
    tell_all("doctor, s3", doctor, landed, only=landed.is_new)


def test_no_crash_point_of_restoring_was_left_out(landed: Landed) -> None:
    assert_none_was_left_out(landed)
