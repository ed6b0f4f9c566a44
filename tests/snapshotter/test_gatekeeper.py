"""The gate at work: a publisher, a bucket, and images of which an engine says something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cdc.accelerator import FrozenPart, Reopened
from snapshotter import gate, marks
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import GateRefused
from snapshotter.gatekeeper import Circumstances
from snapshotter.objections import Bounds, StreamFacts
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.images import COLUMNS, BytesPart, image

MAIN = bytes(range(256)) * 64
FORCED = Circumstances(force="a person says so")


@dataclass
class Opened(BytesPart):
    """A main file of which an engine would say this."""

    says: Reopened | None = None
    asked: int = 0

    def reopened(self, _log: Sequence[FrozenPart], *, counts: bool) -> Reopened | None:
        self.asked += 1
        assert self.says is not None
        return self.says if counts else replace(self.says, row_count=None)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket.at(tmp_path / "bucket")


def refused(
    bucket: Bucket,
    *,
    rows: int = 3,
    given: Circumstances = Circumstances(),  # noqa: B008 - frozen
) -> tuple[str, ...]:
    """Why a publisher that took over later is refused."""
    before = bucket.objects()
    with pytest.raises(GateRefused) as caught:
        bucket.publish(bucket.publisher(), MAIN, 2, row_count=rows, given=given)
    assert bucket.objects() == before  # nothing was uploaded for it
    return caught.value.reasons


# ---------------------------------------------------------------- rows


def test_the_bounds_of_who_publishes_hold(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher(), MAIN, row_count=100)

    assert refused(bucket, rows=49) == ("shrunk",)
    assert refused(bucket, rows=79, given=Circumstances(Bounds(max_shrink=0.2))) == ("shrunk",)


def test_every_reason_is_named_and_all_of_them_can_be_overruled_once(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher(), MAIN, row_count=100)
    failing = Circumstances(stream=StreamFacts(ready=False, failing="no answer"))

    assert refused(bucket, rows=0, given=failing) == ("stream_failing", "not_ready", "empty")
    forced = replace(failing, force="it is so")
    report = bucket.publish(bucket.publisher(), MAIN, 2, row_count=0, given=forced)

    assert report.overruled == ("stream_failing", "not_ready", "empty")
    assert report.reason == "test, forced: it is so"
    assert bucket.publish(bucket.publisher(), MAIN, 3, row_count=0).overruled == ()


def test_a_release_after_a_mass_delete_agrees_to_fewer_rows_once(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher(), MAIN, row_count=100)
    store = bucket.store
    change_catalog(store, DATASET, lambda p: marks.hold(p, f"{gate.MASS_DELETE}90 of 100"))
    change_catalog(store, DATASET, marks.release)
    assert bucket.pointer().may_shrink

    bucket.publish(bucket.publisher(), MAIN, 2, row_count=40)

    assert not bucket.pointer().may_shrink
    assert refused(bucket, rows=10) == ("shrunk",)


def test_the_release_of_another_hold_agrees_to_nothing(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher(), MAIN, row_count=100)
    change_catalog(bucket.store, DATASET, lambda p: marks.hold(p, "look first"))
    change_catalog(bucket.store, DATASET, marks.release)

    assert refused(bucket, rows=10) == ("shrunk",)


# ---------------------------------------------------------------- image


def published(bucket: Bucket, main: Opened, given: Circumstances = FORCED) -> tuple[str, ...]:
    at = bucket.checkpoint()
    if main.says is not None and main.says.checkpoint is None and main.says.trouble is None:
        main.says = replace(main.says, checkpoint=at)
    frozen = image(main, at)
    return bucket.publisher().publish(frozen, reason="test", given=given).overruled


def test_an_image_that_holds_what_the_file_tells_is_published(bucket: Bucket) -> None:
    assert published(bucket, Opened(MAIN, says=Reopened(columns=COLUMNS, row_count=3))) == ()


@pytest.mark.parametrize(
    "says, reason",
    [
        (Reopened(trouble="checksum of block 3"), "unreadable"),
        (Reopened(columns=COLUMNS, row_count=2), "differs"),
        (Reopened(row_count=3), "differs"),
    ],
)
def test_a_damaged_image_is_never_published_whoever_insists(
    bucket: Bucket, says: Reopened, reason: str
) -> None:
    with pytest.raises(GateRefused) as caught:
        published(bucket, Opened(MAIN, says=says), FORCED)

    assert caught.value.reasons == (reason,)
    assert "--force" not in caught.value.hint
    assert bucket.pointer().current is None


def test_an_image_is_not_opened_for_a_state_that_is_refused_anyway(bucket: Bucket) -> None:
    main = Opened(MAIN, says=Reopened(trouble="not to be asked"))
    with pytest.raises(GateRefused):
        published(bucket, main, Circumstances(stream=StreamFacts(failing="no answer")))

    assert main.asked == 0


# ---------------------------------------------------------------- bucket


def test_another_bucket_at_the_same_place_is_not_published_into(
    bucket: Bucket, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    other = Bucket.at(tmp_path / "other")
    other.publisher()
    bucket.directory.rename(tmp_path / "gone")
    other.directory.rename(bucket.directory)

    with pytest.raises(GateRefused) as caught:
        bucket.publish(publisher, MAIN, 2, given=FORCED)

    assert caught.value.reasons == ("other_bucket",)
