"""DuckDB nodes, killed at every crash point; besides what needs one engine only."""

import pytest

from tests.crash import stories
from tests.crash.effects import sites
from tests.crash.lives import Bench
from tests.crash.points import Following, Restoring
from tests.crash.stories import Landed, tell_all
from tests.servers.seaweedfs import SeaweedFS

ENGINE = "duckdb"
# One test tells up to twenty lives; each wait in them has a bound of its own.
pytestmark = pytest.mark.timeout(1800)


class TestFollowing(Following):
    pass


def test_a_rebuild_killed_anywhere_goes_on(old_bench: Bench, landed: Landed) -> None:
    tell_all("rebuild", stories.rebuild(old_bench), landed, only=landed.is_new)


def test_a_refresh_killed_anywhere_leaves_one_whole_file(bench: Bench, landed: Landed) -> None:
    tell_all(
        "refresh",
        stories.refresh(bench),
        landed,
        only=lambda site: landed.is_new(site) or site.startswith(("restorer.switch", "snowmelt")),
    )


class TestRestoring(Restoring):
    pass


def test_a_doctor_killed_anywhere_is_in_nobodys_way(
    bench: Bench, location: str, landed: Landed
) -> None:
    tell_all("doctor", stories.doctor(bench, location), landed, only=landed.is_new)
    memory = stories.doctor(bench, "memory://doctor")
    tell_all("doctor, memory", memory, landed, only=landed.is_new)


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


def test_no_crash_point_was_left_out(landed: Landed) -> None:
    mine = {str(site) for site in sites() if not site.module.startswith("cdc.sqlite")}

    assert mine <= landed.sites, f"nothing died at {sorted(mine - landed.sites)}"
