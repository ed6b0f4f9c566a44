"""What speaks against a state as the newest snapshot: facts in, reasons out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from cdc.accelerator import FrozenImage, Reopened
from cdc.columns import Column, Columns
from cdc.keys import KeyAttribute, KeySchema
from snapshotter import objections
from snapshotter.format import CatalogEntry, Header
from snapshotter.objections import OVERRULED, REASONS, Bounds, Objection, StreamFacts
from tests.snapshotter.images import COLUMNS, KEYS, checkpoint, image

NOW = 1_800_000_000.0
HOUR = 3600.0
MIB = 1024 * 1024
T = TypeVar("T")
GOOD = image(b"x", checkpoint(NOW))


def previous(*, rows: int = 100, age: float = HOUR, file_bytes: int = 1) -> CatalogEntry:
    return made(
        CatalogEntry,
        row_count=rows,
        created_at=NOW - age,
        resumable_until=NOW - age + 24 * HOUR,
        file_bytes=file_bytes,
    )


def made(kind: type[T], **members: Any) -> T:
    """A value of which only these members are looked at."""
    blank = dict.fromkeys(kind.__dataclass_fields__, None)  # type: ignore[attr-defined]
    return kind(**{**blank, **members})


def of_stream(
    stream: StreamFacts | None,
    *,
    until: float | None = NOW + HOUR,
    of: FrozenImage = GOOD,
    before: CatalogEntry | None = None,
) -> list[str]:
    found = objections.of_stream(of, stream, until, before, Bounds(), now=NOW)
    return reasons(found)


def of_table(
    rows: int,
    before: CatalogEntry | None,
    *,
    main: bytes = b"x",
    allow_empty: bool = False,
) -> list[str]:
    frozen = image(main, checkpoint(NOW), row_count=rows)
    found = objections.of_table(frozen, before, None, Bounds(), allow_empty=allow_empty)
    return reasons(found)


def reasons(found: list[Objection]) -> list[str]:
    assert all(one.text for one in found)
    return [one.reason for one in found]


# ---------------------------------------------------------------- stream


def test_a_stream_that_is_followed_is_no_objection() -> None:
    assert of_stream(StreamFacts(lag_seconds=2.0)) == []
    assert of_stream(StreamFacts(lag_seconds=None)) == []
    assert of_stream(None) == []


@pytest.mark.parametrize(
    "stream, reason",
    [
        (StreamFacts(ready=False), "not_ready"),
        (StreamFacts(failing="no answer"), "stream_failing"),
        (StreamFacts(is_over=True), "stream_over"),
    ],
)
def test_a_stream_that_is_not_followed_is_an_objection(stream: StreamFacts, reason: str) -> None:
    assert of_stream(stream) == [reason]


@pytest.mark.parametrize(
    "until, found",
    [(None, ["age_unknown"]), (NOW, ["expired"]), (NOW - HOUR, ["expired"]), (NOW + 1, [])],
)
def test_a_position_that_nobody_could_resume_is_an_objection(
    until: float | None, found: list[str]
) -> None:
    assert of_stream(None, until=until) == found
    assert of_stream(StreamFacts(), until=until) == found


def test_changes_that_are_in_no_stream_are_a_gap_and_nothing_else() -> None:
    gap = image(b"x", checkpoint(NOW, retention_seconds=0.0))

    assert of_stream(StreamFacts(), of=gap, until=NOW - HOUR) == ["gap"]


def test_a_table_that_is_read_without_its_stream_has_none_to_object_to() -> None:
    at = checkpoint(NOW)
    refreshed = image(b"x", replace(at, lineage=replace(at.lineage, stream_arn="")))

    assert of_stream(StreamFacts(ready=False, is_over=True), of=refreshed, until=None) == []


def test_a_late_state_waits_while_the_published_one_is_young() -> None:
    late, punctual = StreamFacts(lag_seconds=3601.0), StreamFacts(lag_seconds=3600.0)

    assert of_stream(late, before=previous(age=11 * HOUR)) == ["lagging"]
    assert of_stream(punctual, before=previous(age=11 * HOUR)) == []


def test_a_late_state_is_better_than_one_whose_day_is_half_over_or_than_none() -> None:
    late = StreamFacts(lag_seconds=3 * HOUR)

    assert of_stream(late, before=previous(age=13 * HOUR)) == []
    assert of_stream(late, before=None) == []


# ---------------------------------------------------------------- table


@pytest.mark.parametrize(
    "rows, before, found",
    [
        (50, 100, []),
        (49, 100, ["shrunk"]),
        (0, 100, ["empty"]),
        (0, 1, ["empty"]),
        (0, 0, []),
        (1, 19, []),
        (1, 20, ["shrunk"]),
        (1000, 100, []),
    ],
)
def test_a_table_that_lost_most_of_its_rows_is_an_objection(
    rows: int, before: int, found: list[str]
) -> None:
    assert of_table(rows, previous(rows=before)) == found


def test_a_table_without_a_published_one_is_none() -> None:
    assert of_table(0, None) == []


def test_an_empty_table_may_be_allowed_and_a_shrunken_one_not() -> None:
    assert of_table(0, previous(rows=100), allow_empty=True) == []
    assert of_table(1, previous(rows=100), allow_empty=True) == ["shrunk"]


def test_a_file_that_lost_nearly_all_its_bytes_and_few_rows_is_an_objection() -> None:
    large = previous(rows=100, file_bytes=32 * MIB)

    assert of_table(100, large, main=bytes(4096)) == ["small"]
    assert of_table(100, large, main=bytes(4 * MIB)) == []
    assert of_table(100, previous(rows=100, file_bytes=15 * MIB), main=bytes(4096)) == []
    assert of_table(40, large, main=bytes(4096)) == ["shrunk"]


# ---------------------------------------------------------------- schema


def header(columns: Columns = COLUMNS, keys: KeySchema = KEYS, epoch: str = "e1") -> Header:
    at = checkpoint(NOW)
    return made(
        Header,
        checkpoint=replace(at, lineage=replace(at.lineage, epoch=epoch)),
        columns=columns.encode(),
        keys=json.dumps(keys.to_json()),
    )


def of_schema(before: Header, columns: Columns = COLUMNS) -> list[str]:
    at = checkpoint(NOW)
    frozen = replace(
        image(b"x", replace(at, lineage=replace(at.lineage, epoch="e1"))), columns=columns
    )
    return reasons(objections.of_table(frozen, None, before, Bounds(), allow_empty=False))


def test_the_same_schema_more_columns_and_wider_ones_are_no_objection() -> None:
    wider = Columns((Column("id", "text"), Column("price", "decimal", 6), Column("more", "json")))

    assert of_schema(header()) == []
    assert of_schema(header(), wider) == []
    integer, json_ = (Columns((Column("n", kind),)) for kind in ("integer", "json"))
    assert of_schema(header(integer), json_) == []


@pytest.mark.parametrize(
    "columns",
    [
        Columns((Column("id", "text"),)),
        Columns((Column("id", "text"), Column("price", "integer"))),
        Columns((Column("id", "boolean"), Column("price", "decimal", 2))),
    ],
)
def test_a_column_that_is_gone_or_narrower_is_an_objection(columns: Columns) -> None:
    assert of_schema(header(), columns) == ["columns_lost"]


def test_another_bootstrap_may_find_other_columns_but_no_other_keys() -> None:
    other = header(Columns((Column("x", "text"),)), epoch="e0")
    rekeyed = header(keys=KeySchema(KeyAttribute("id", "N")), epoch="e0")

    assert of_schema(other) == []
    assert of_schema(rekeyed) == ["keys_changed"]


# ---------------------------------------------------------------- image


def test_an_image_that_holds_what_the_header_will_say_is_no_objection() -> None:
    same = Reopened(GOOD.checkpoint, GOOD.columns, GOOD.row_count)

    assert objections.of_image(GOOD, same) == []
    assert objections.of_image(GOOD, replace(same, row_count=None)) == []
    assert objections.of_image(GOOD, None) == []


@pytest.mark.parametrize(
    "change",
    [{"checkpoint": checkpoint(NOW, 2)}, {"columns": Columns()}, {"row_count": 4}],
)
def test_an_image_that_holds_something_else_is_an_objection(change: dict[str, object]) -> None:
    same = Reopened(GOOD.checkpoint, GOOD.columns, GOOD.row_count)

    assert reasons(objections.of_image(GOOD, replace(same, **change))) == ["differs"]  # type: ignore[arg-type]


def test_an_image_that_does_not_open_is_an_objection_with_the_engines_words() -> None:
    (found,) = objections.of_image(GOOD, Reopened(trouble="checksum of block 3"))

    assert found.reason == "unreadable"
    assert "checksum of block 3" in found.text


def test_nobody_overrules_a_file_that_does_not_open_or_another_bucket() -> None:
    assert set(REASONS) - OVERRULED == {
        *("unreadable", "differs", "other_bucket"),
        *("held", "mass_delete", "behind"),
    }
