"""What goes on from a batch: of each page what is new, in the order in which it came."""

from collections.abc import Iterator

import msgspec
import pytest

from cdc.decode import ShardRecords
from cdc.ordering import stamps_of
from cdc.ordering_counts import Dropped
from cdc.records import StreamRecord
from cdc.sifting import Sifted
from tests.cdc.ordering_file import BEGAN, File, opened, record
from tests.simulators.change_documents import Changes

REFUSED = StreamRecord("MODIFY", "7", BEGAN, msgspec.Raw(b"{}"), refused="not a document")


@pytest.fixture
def file() -> Iterator[File]:
    with opened("sqlite") as made:
        yield made


def made(count: int, *, first: int = 0) -> list[StreamRecord]:
    """Changes that make items; a record's sequence number is that of its item."""
    changes = Changes("routes", now_us=(BEGAN + first) * 1_000_000)
    for number in range(first, first + count):
        changes.put({"id": {"S": f"{number}"}})
    return [
        msgspec.structs.replace(record(change), sequence=change.keys["id"]["S"])
        for change in changes.log
    ]


def sift(file: File, **pages: list[StreamRecord]) -> Sifted:
    shards = [ShardRecords(shard_id, records) for shard_id, records in pages.items()]
    return file.sifter.sift(shards, file.committer.checkpoint)


def selected(sifted: Sifted) -> dict[str, list[str]]:
    return {page.shard_id: [each.sequence for each in page.records] for page in sifted.pages}


def test_what_is_new_stays_in_its_page_and_in_order(file: File) -> None:
    a, b, c, d = made(4)
    file.commit(b)

    sifted = sift(file, one=[a, b, a], two=[b], three=[c, d])

    assert selected(sifted) == {"one": ["0"], "three": ["2", "3"]}
    assert [stamp.event for stamp in stamps_of(sifted.stamps)] == [
        each.stamp.event for each in (a, c, d) if each.stamp
    ]
    assert (sifted.read, file.sifter.dropped) == (6, Dropped(duplicates=3))


def test_what_is_no_change_is_told_by_shard_and_number_and_moves_nothing_else(file: File) -> None:
    a, b, c = made(3)

    sifted = sift(file, one=[REFUSED], two=[a, REFUSED, b], three=[c])

    assert [(poison.shard_id, poison.sequence) for poison in sifted.poison] == [
        ("one", "7"),
        ("two", "7"),
    ]
    assert selected(sifted) == {"two": ["0", "1"], "three": ["2"]}
    assert sifted.read == 5


def test_a_change_whose_key_cannot_be_read_goes_on_to_be_put_aside_from_its_shard(
    file: File,
) -> None:
    a, b, c = made(3)
    odd = msgspec.structs.replace(b, keys=msgspec.Raw(b'{"id":{"N":"1"}}'), sequence="odd")

    sifted = sift(file, one=[a], two=[odd, c])

    assert selected(sifted) == {"one": ["0"], "two": ["odd", "2"]}
    assert sifted.stamps.num_rows == 2
    assert file.sifter.dropped == Dropped()


def test_the_newest_of_a_tie_takes_the_place_of_the_last_of_them(file: File) -> None:
    changes = Changes("routes", now_us=BEGAN * 1_000_000, step_us=0)
    for value in ("1", "2"):
        changes.put({"id": {"S": "t"}, "v": {"N": value}})
    first, second = (record(change) for change in changes.log)
    a, b = made(2, first=1)

    sifted = sift(file, one=[a, second], two=[first, b])

    pages = {page.shard_id: list(page.records) for page in sifted.pages}
    assert pages == {"one": [a], "two": [second, b]}
    assert sifted.stamps.num_rows == 3
    assert file.sifter.dropped == Dropped(by_images=1)
