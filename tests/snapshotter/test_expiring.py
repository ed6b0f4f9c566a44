"""Objects that the store would delete by itself: rules that do harm, and what the gate does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snapshotter.errors import GateRefused
from snapshotter.gatekeeper import Circumstances
from snapshotter.lifecycle import takers
from snapshotter.store import ObjectInfo
from snapshotter.stores import StoreParams, open_store
from tests.servers.scripted import Answer, Request, scripted_server
from tests.snapshotter.bench import Bucket, file_store
from tests.snapshotter.faults import FaultyStore

MAIN = bytes(range(256)) * 64
RULE = 'expiry-date="Fri, 01 Jan 2027 00:00:00 GMT", rule-id="old-things"'


class Expiring(FaultyStore):
    """A directory with a rule that can be taken out."""

    def __init__(self, directory: Path, reaches: Callable[[str], bool]) -> None:
        super().__init__(file_store(directory))
        self.reaches = reaches

    def head(self, key: str) -> ObjectInfo | None:
        info = super().head(key)
        return None if info is None else replace(info, expires=RULE if self.reaches(key) else None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Expiring]:
    return Expiring(tmp_path / "bucket", lambda key: "/packs/" in key)  # type: ignore[return-value]


def packs(bucket: Bucket) -> int:
    return sum("/packs/" in key for key in bucket.objects())


def test_what_the_store_would_delete_is_not_published_and_uploaded_once(store: Expiring) -> None:
    bucket = Bucket(Path(), store)
    publisher = bucket.publisher()

    for _ in range(3):
        with pytest.raises(GateRefused) as refused:
            bucket.publish(publisher, MAIN)
        assert refused.value.reasons == ("expiring",)
        assert 'rule-id="old-things"' in str(refused.value)
    assert packs(bucket) == 1
    assert bucket.pointer().current is None

    store.reaches = lambda _: False
    assert bucket.publish(publisher, MAIN).overruled == ()


def test_a_person_may_publish_into_a_bucket_that_deletes(store: Expiring) -> None:
    bucket = Bucket(Path(), store)

    bucket.publish(bucket.publisher(), MAIN, given=Circumstances(force="for a week"))

    assert bucket.pointer().current is not None


def test_the_answer_of_the_service_is_what_is_gone_by() -> None:
    def respond(_request: Request) -> Answer:
        headers = {"ETag": '"e"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        return Answer(200, b"", {**headers, "x-amz-expiration": RULE})

    with scripted_server(respond) as server:
        params = StoreParams(
            auth="key", key="K", secret="s", region="eu-west-1", endpoint=server.endpoint_url
        )
        info = open_store("s3://bucket/place", params).head("packs/one")

    assert info is not None
    assert info.expires == RULE


# ---------------------------------------------------------------- rules


def rule(**members: Any) -> dict[str, Any]:
    return {"ID": "r", "Status": "Enabled", "Expiration": {"Days": 7}, **members}


@pytest.mark.parametrize(
    "harmful",
    [
        rule(),
        rule(Filter={}),
        rule(Filter={"Prefix": ""}),
        rule(Filter={"Prefix": "nodes/"}),
        rule(Filter={"Prefix": "no"}),
        rule(Prefix="nodes/flights/packs/"),
        rule(Filter={"And": {"Prefix": "nodes/", "ObjectSizeGreaterThan": 10}}),
    ],
)
def test_a_rule_that_reaches_below_the_location_is_named(harmful: dict[str, Any]) -> None:
    (told,) = takers([harmful], "nodes")

    assert told.startswith("rule r deletes objects after 7 days ")


@pytest.mark.parametrize(
    "harmless",
    [
        rule(Status="Disabled"),
        rule(Filter={"Prefix": "logs/"}),
        rule(Filter={"Prefix": "nodes2/"}),
        rule(Filter={"Prefix": "nodes/probe/"}),
        rule(Filter={"Tag": {"Key": "temporary", "Value": "yes"}}),
        rule(Filter={"And": {"Prefix": "nodes/", "Tags": [{"Key": "k", "Value": "v"}]}}),
        rule(Expiration={"ExpiredObjectDeleteMarker": True}),
        {"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        rule(Expiration=None, Transitions=[{"Days": 30, "StorageClass": "STANDARD_IA"}]),
    ],
)
def test_a_rule_that_does_no_harm_is_not_named(harmless: dict[str, Any]) -> None:
    assert takers([harmless], "nodes") == ()


def test_archives_and_dates_are_named_too() -> None:
    archive = rule(Expiration=None, Transitions=[{"Days": 30, "StorageClass": "DEEP_ARCHIVE"}])
    dated = rule(Expiration={"Date": "2027-01-01T00:00:00Z"})

    below = rule(Expiration={"Days": 9}, Filter={"Prefix": "nodes/flights/"})

    assert takers([archive, dated, below], "nodes") == (
        "rule r moves objects to DEEP_ARCHIVE after 30 days in the whole bucket",
        "rule r deletes objects on 2027-01-01 in the whole bucket",
        "rule r deletes objects after 9 days below nodes/flights/",
    )
