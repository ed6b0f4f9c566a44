"""Upkeep beside capture, on a real file and real threads: who waits, and who hears of what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cdc import duckdb_upkeep
from cdc.accelerator import Accelerator, Maintenance
from cdc.batch import Batch
from cdc.capture_upkeep import UpkeepBeside
from cdc.checkpoint import Checkpoint
from cdc.errors import NoSpace
from cdc.keys import KeySchema
from cdc.polling import ThreadWorkers
from tests.cdc.ordering_file import File
from tests.properties.item_files import Items, item_file

BY_ID = KeySchema.from_json([{"name": "id", "type": "S"}])
PATIENCE = 60.0


@dataclass
class Watched:
    """A file whose upkeep waits until the test lets it go on; who wrote, and where."""

    file: Accelerator
    may_go_on: threading.Event = field(default_factory=threading.Event)
    has_begun: threading.Event = field(default_factory=threading.Event)
    done: list[tuple[str, bool]] = field(default_factory=list)
    error: Exception | None = None

    def maintain(self, *, idle: bool) -> Maintenance:
        self.has_begun.set()
        assert self.may_go_on.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        columns = self.file.columns()
        told = self.file.maintain(idle=idle)
        is_beside = threading.current_thread() is not threading.main_thread()
        self.done.append(("widened" if self.file.columns() != columns else "maintained", is_beside))
        return told

    def apply(self, batch: Batch, checkpoint: Checkpoint) -> None:
        self.file.apply(batch, checkpoint)
        self.done.append(("applied", threading.current_thread() is not threading.main_thread()))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.fixture(params=["duckdb"])
def items(request: pytest.FixtureRequest) -> Iterator[Items]:
    with item_file(request.param, BY_ID) as made:
        yield made


@pytest.fixture
def watched(items: Items) -> Watched:
    return Watched(items.file)


@pytest.fixture
def workers() -> Iterator[ThreadWorkers]:
    made = ThreadWorkers(1, 1)
    yield made
    made.close()


def settled(upkeep: UpkeepBeside) -> Maintenance:
    """What upkeep says once nothing is pending."""
    while (told := upkeep.run(idle=False)).is_pending:
        upkeep.settle()
    return told


def committed(committer: Any) -> Callable[[], None]:
    return lambda: committer.commit_stream([], {}, None)


@pytest.mark.parametrize("items", ["sqlite"], indirect=True)
def test_a_commit_waits_for_a_step_that_must_be_alone(watched: Watched) -> None:
    file = File(watched)
    committed(file.committer)()
    assert file.committer.maintain(idle=False).is_pending
    assert watched.has_begun.wait(PATIENCE)
    second = threading.Thread(target=committed(file.committer))
    second.start()
    second.join(0.2)
    assert watched.done == [("applied", False)]

    watched.may_go_on.set()
    second.join(PATIENCE)

    assert watched.done == [("applied", False), ("maintained", True), ("applied", True)]
    file.committer.close()


def test_a_commit_goes_on_beside_a_step_that_moves_rows(watched: Watched) -> None:
    file = File(watched)
    committed(file.committer)()
    assert file.committer.maintain(idle=False).is_pending
    assert watched.has_begun.wait(PATIENCE)

    committed(file.committer)()

    assert watched.done == [("applied", False), ("applied", False)]
    watched.may_go_on.set()
    file.committer.close()
    assert watched.done[-1] == ("maintained", True)


def test_a_step_that_is_due_behind_a_commit_waits_for_the_one_under_way_not_the_loop(
    watched: Watched, workers: ThreadWorkers
) -> None:
    upkeep = UpkeepBeside(watched, workers)
    upkeep.note_commit()
    assert upkeep.run(idle=False).is_pending
    assert watched.has_begun.wait(PATIENCE)
    upkeep.note_commit()

    assert upkeep.run(idle=False).is_pending
    assert not watched.done

    watched.may_go_on.set()
    settled(upkeep)
    assert watched.done == [("maintained", True)] * 2


def test_who_has_nothing_to_commit_does_not_wait(watched: Watched, workers: ThreadWorkers) -> None:
    upkeep = UpkeepBeside(watched, workers)
    upkeep.note_commit()
    assert upkeep.run(idle=False).is_pending
    assert upkeep.run(idle=False).is_pending
    assert not watched.done

    watched.may_go_on.set()

    assert not settled(upkeep).is_pending
    assert watched.done == [("maintained", True)]
    assert not upkeep.run(idle=False).is_pending
    assert watched.done == [("maintained", True)]


def test_columns_change_only_where_nothing_is_decoded(
    items: Items, watched: Watched, workers: ThreadWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_upkeep, "FIRST_SORT_STEP_ROWS", 3)
    watched.may_go_on.set()
    values = ("1", "2", "0.25", "-7.125", "3.5", "4.5", "5.5")
    items.scan([{"id": {"S": f"i-{n}"}, "v": {"N": text}} for n, text in enumerate(values[:2])])
    items.scan([{"id": {"S": f"j-{n}"}, "v": {"N": text}} for n, text in enumerate(values[2:])])
    items.end_scan()
    upkeep = UpkeepBeside(watched, workers)
    upkeep.note_commit()

    settled(upkeep)

    assert ("widened", False) in watched.done
    assert ("widened", True) not in watched.done
    assert watched.done[0] == ("maintained", True)
    items.check()


def test_what_went_wrong_beside_is_heard_of_once_and_the_file_goes_on(
    items: Items, watched: Watched, workers: ThreadWorkers
) -> None:
    watched.may_go_on.set()
    watched.error = NoSpace("no space")
    upkeep = UpkeepBeside(watched, workers)
    upkeep.note_commit()
    assert upkeep.run(idle=False).is_pending
    upkeep.settle()
    items.change([(True, {"id": {"S": "a"}})])
    upkeep.note_commit()
    with pytest.raises(NoSpace):
        upkeep.run(idle=False)

    watched.error = None

    assert not settled(upkeep).is_pending
    assert watched.done == [("maintained", True)]
    items.check()
