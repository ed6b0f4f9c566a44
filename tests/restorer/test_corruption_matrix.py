"""A flipped byte anywhere in the bucket is refused, never served.

Three histories: one snapshot; two that share what the first stored; two that share nothing. One
byte at a time is flipped in each kind of object, at several places. What may be left at the target
is nothing, or the file that was there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdc.accelerator import Engine
from restorer.errors import RestoreError
from restorer.facts import Policy, Selection
from restorer.restore import RestoreReport, RestoreRequest, restore
from restorer.verdict import Action
from snapshotter import layout
from snapshotter.errors import SnapshotError
from snapshotter.format import PREFIX_BYTES, Header
from snapshotter.reader import read_header, read_pointer
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import DATASET, Producer, Row, plain_rows, rows_of
from tests.restorer.published import directory_store
from tests.restorer.stores import bucket_store, flip
from tests.servers.seaweedfs import SeaweedFS

NO_BOOTSTRAP = Policy(allow_bootstrap=False)
ROWS = 2000
# Where in an object: 0 is its first byte, 1 its last.
PLACES = (0.0, 0.11, 0.37, 0.62, 0.93, 1.0)
FEW_PLACES = (0.0, 0.5, 1.0)

Extent = tuple[str, int, int]


@dataclass(frozen=True)
class History:
    """A bucket with the snapshots `older` (None if there is one) and `newer`."""

    store: ObjectStore
    engine: Engine
    older: str | None
    newer: str
    rows: dict[str, list[Row]]

    def header(self, snapshot_id: str) -> Header:
        entry = read_pointer(self.store, DATASET).entry(snapshot_id)
        assert entry is not None
        return read_header(self.store, entry)

    @contextmanager
    def damaged(self, extent: Extent, place: float) -> Iterator[None]:
        key, start, length = extent
        offset = start + round(place * (length - 1))
        flip(self.store, key, offset)
        try:
            yield
        finally:
            flip(self.store, key, offset)


def make_history(kind: str, engine: Engine, store: ObjectStore, directory: Path) -> History:
    producer = Producer(store, directory / f"source.{engine}", engine)
    rows = {}
    producer.put(0, ROWS, seed=1)
    producer.accelerator.maintain(idle=True)
    ids = [producer.publish()]
    rows[ids[0]] = rows_of(0, ROWS, seed=1)
    if kind != "one":
        producer.put(0, 5, seed=2)
        ids.insert(0, producer.publish(full=kind == "independent"))
        rows[ids[0]] = [*rows_of(0, 5, seed=2), *rows_of(0, ROWS, seed=1)[5:]]
    producer.close()
    return History(store, engine, ids[1] if len(ids) > 1 else None, ids[0], rows)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Engine], History]:
    made: dict[tuple[str, Engine], History] = {}

    def get(kind: str, engine: Engine) -> History:
        if (kind, engine) not in made:
            directory = tmp_path_factory.mktemp(f"{kind}-{engine}")
            store = directory_store(directory / "bucket")
            made[kind, engine] = make_history(kind, engine, store, directory)
        return made[kind, engine]

    return get


# ---------------------------------------------------------------- where to flip


def whole(history: History, key: str) -> Extent:
    info = history.store.head(key)
    assert info is not None
    return key, 0, info.size


def bucket_identity(history: History) -> Extent:
    return whole(history, layout.bucket_key(DATASET))


def pointer(history: History) -> Extent:
    return whole(history, layout.pointer_key(DATASET))


def newest_header(history: History) -> Extent:
    entry = read_pointer(history.store, DATASET).entry(history.newer)
    assert entry is not None
    return entry.manifest, 0, PREFIX_BYTES + entry.header_length


def newest_segment(history: History) -> Extent:
    own = layout.manifest_key(DATASET, history.newer)
    refs = [ref for part in history.header(history.newer).parts for ref in part.segments]
    ref = next(ref for ref in refs if ref.key == own)
    return ref.key, ref.offset, ref.length


def newest_pack(history: History) -> Extent:
    return whole(history, layout.pack_key(DATASET, layout.pack_name(history.newer, 0)))


def shared_pack(history: History) -> Extent:
    """A frame that both snapshots need: the largest that the older one stored."""
    assert history.older is not None
    older, newer = (_frames(history, snapshot_id) for snapshot_id in (history.older, history.newer))
    key, offset, stored = max(older & newer, key=lambda frame: frame[2])
    return key, offset, stored


def _frames(history: History, snapshot_id: str) -> set[Extent]:
    from restorer.plan import make_plan
    from snapshotter.reader import read_segments

    header = history.header(snapshot_id)
    plan = make_plan(header, [read_segments(history.store, header, p) for p in header.parts])
    return {
        (read.key, frame.entry.offset, frame.entry.stored)
        for read in plan.reads()
        for frame in read.frames
    }


OWN = (newest_header, newest_segment, newest_pack)
TOP = (bucket_identity, pointer)
Where = Callable[[History], Extent]


def attempt(history: History, target: Path) -> RestoreReport:
    return restore(history.store, DATASET, target, RestoreRequest(NO_BOOTSTRAP))


def exit_code(error: BaseException) -> int:
    assert isinstance(error, SnapshotError | RestoreError)
    return error.exit_code


def assert_refused(history: History, target: Path) -> None:
    with pytest.raises((SnapshotError, RestoreError)) as refused:
        attempt(history, target)

    assert exit_code(refused.value) == 5
    assert "\n" not in str(refused.value)
    assert not target.exists()
    leftovers = {file.name for file in target.parent.glob(f"{target.name}*")}
    assert leftovers <= {f"{target.name}.d"}
    assert {file.name for file in (target.parent / f"{target.name}.d").iterdir()} == {"lock"}


# ---------------------------------------------------------------- one snapshot


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("where", [*TOP, *OWN])
def test_the_only_snapshot_damaged_is_exit_5_and_leaves_nothing(
    history: Callable[[str, Engine], History], tmp_path: Path, where: Where, place: float
) -> None:
    one = history("one", "duckdb")

    with one.damaged(where(one), place):
        assert_refused(one, tmp_path / "target.duckdb")


@pytest.mark.parametrize("place", FEW_PLACES)
@pytest.mark.parametrize("where", OWN)
def test_the_only_snapshot_damaged_is_exit_5_with_sqlite(
    history: Callable[[str, Engine], History], tmp_path: Path, where: Where, place: float
) -> None:
    one = history("one", "sqlite")

    with one.damaged(where(one), place):
        assert_refused(one, tmp_path / "target.db")


# ---------------------------------------------------------------- two that share a block


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("where", [*TOP, shared_pack])
@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_block_that_both_snapshots_need_damaged_is_exit_5(
    history: Callable[[str, Engine], History],
    tmp_path: Path,
    where: Where,
    place: float,
    engine: Engine,
) -> None:
    sharing = history("sharing", engine)

    with sharing.damaged(where(sharing), place):
        assert_refused(sharing, tmp_path / "target")


def test_both_damaged_snapshots_are_counted_and_the_newer_is_named(
    history: Callable[[str, Engine], History], tmp_path: Path
) -> None:
    sharing = history("sharing", "duckdb")
    extent = shared_pack(sharing)

    with sharing.damaged(extent, 0.5), pytest.raises(RestoreError) as refused:
        attempt(sharing, tmp_path / "target.duckdb")

    message = str(refused.value)
    assert "2 of 2 snapshots damaged" in message
    assert extent[0] in message
    assert sharing.newer in message


@pytest.mark.parametrize("place", FEW_PLACES)
@pytest.mark.parametrize("where", [newest_header, newest_pack])
def test_what_only_the_newer_of_two_needs_damaged_gives_the_older(
    history: Callable[[str, Engine], History], tmp_path: Path, where: Where, place: float
) -> None:
    sharing = history("sharing", "duckdb")

    with sharing.damaged(where(sharing), place):
        report = attempt(sharing, tmp_path / "target.duckdb")

    assert report.snapshot_id == sharing.older


# ---------------------------------------------------------------- two that share nothing


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("where", OWN)
@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_with_an_independent_older_snapshot_that_one_is_restored_and_the_newer_named(
    history: Callable[[str, Engine], History],
    tmp_path: Path,
    where: Where,
    place: float,
    engine: Engine,
) -> None:
    independent = history("independent", engine)
    target = tmp_path / "target"

    with independent.damaged(where(independent), place):
        report = attempt(independent, target)

    assert report.snapshot_id == independent.older
    assert [each.snapshot_id for each in report.rejected] == [independent.newer]
    assert report.rejected[0].exit_code == 5
    assert independent.older is not None
    assert plain_rows(target, engine) == independent.rows[independent.older]


@pytest.mark.parametrize("place", FEW_PLACES)
@pytest.mark.parametrize("where", TOP)
def test_a_damaged_pointer_leads_nowhere_even_with_independent_snapshots(
    history: Callable[[str, Engine], History], tmp_path: Path, where: Where, place: float
) -> None:
    independent = history("independent", "duckdb")

    with independent.damaged(where(independent), place):
        assert_refused(independent, tmp_path / "target.duckdb")


@pytest.mark.parametrize("key", ["pack", "manifest"])
def test_a_missing_object_is_handled_like_a_damaged_one(
    history: Callable[[str, Engine], History], tmp_path: Path, key: str
) -> None:
    independent = history("independent", "duckdb")
    extent = newest_pack(independent) if key == "pack" else newest_header(independent)
    data = independent.store.get(extent[0], max_bytes=2**30).data
    independent.store.delete(extent[0])
    try:
        report = attempt(independent, tmp_path / "target.duckdb")
    finally:
        independent.store.put(extent[0], data)

    assert report.snapshot_id == independent.older
    assert [each.snapshot_id for each in report.rejected] == [independent.newer]


# ---------------------------------------------------------------- an old file at the target


@pytest.fixture
def old_target(tmp_path: Path) -> Callable[[History], Path]:
    def make(sharing: History) -> Path:
        target = tmp_path / "target"
        older = Selection(snapshot_id=sharing.older)
        restore(sharing.store, DATASET, target, RestoreRequest(Policy(role="operator"), older))
        return target

    return make


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_the_old_file_stays_when_the_pointer_is_damaged(
    history: Callable[[str, Engine], History],
    old_target: Callable[[History], Path],
    engine: Engine,
) -> None:
    sharing = history("sharing", engine)
    target = old_target(sharing)
    before = target.read_bytes()

    with sharing.damaged(pointer(sharing), 0.5), pytest.raises(SnapshotError) as refused:
        restore(sharing.store, DATASET, target, RestoreRequest(Policy(role="operator")))

    assert refused.value.exit_code == 5
    assert target.read_bytes() == before


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_the_old_file_is_kept_when_what_is_newer_is_damaged(
    history: Callable[[str, Engine], History],
    old_target: Callable[[History], Path],
    engine: Engine,
) -> None:
    sharing = history("sharing", engine)
    target = old_target(sharing)

    with sharing.damaged(newest_pack(sharing), 0.5):
        report = restore(sharing.store, DATASET, target, RestoreRequest(Policy(role="operator")))

    assert report.decision.action is Action.KEEP_LOCAL
    assert [each.snapshot_id for each in report.rejected] == [sharing.newer]
    assert sharing.older is not None
    assert plain_rows(target, engine) == sharing.rows[sharing.older]


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_what_the_old_file_has_is_not_asked_of_a_damaged_pack(
    history: Callable[[str, Engine], History],
    old_target: Callable[[History], Path],
    engine: Engine,
) -> None:
    sharing = history("sharing", engine)
    target = old_target(sharing)

    with sharing.damaged(shared_pack(sharing), 0.5):
        report = restore(sharing.store, DATASET, target, RestoreRequest(Policy(role="operator")))

    assert report.snapshot_id == sharing.newer
    assert plain_rows(target, engine) == sharing.rows[sharing.newer]


# ---------------------------------------------------------------- on a real S3


@pytest.mark.parametrize(
    "kind, where, restored",
    [
        ("one", pointer, None),
        ("one", newest_pack, None),
        ("sharing", shared_pack, None),
        ("independent", newest_header, "older"),
        ("independent", newest_pack, "older"),
    ],
)
def test_a_flipped_byte_on_seaweedfs(
    seaweedfs: SeaweedFS, tmp_path: Path, kind: str, where: Where, restored: str | None
) -> None:
    store = bucket_store(seaweedfs, seaweedfs.bucket("matrix"))
    real = make_history(kind, "sqlite", store, tmp_path)
    target = tmp_path / "target.db"

    with real.damaged(where(real), 0.5):
        if restored is None:
            assert_refused(real, target)
        else:
            report = attempt(real, target)
            assert report.snapshot_id == real.older
            assert [each.snapshot_id for each in report.rejected] == [real.newer]
