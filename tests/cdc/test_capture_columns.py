"""Capture with rules for columns: what is declared, left out, put aside and counted, on files."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest

from cdc.accelerator import Engine
from cdc.column_rules import ColumnRules
from cdc.columns import Column
from cdc.engines import open_accelerator, sidecars
from cdc.errors import ColumnsRefused
from tests.simulators.memory import as_text
from tests.simulators.stream import KEYS
from tests.simulators.world import World

SECRET = "hunter2hunter2"


class FileWorld(World):
    """A world on a file, with rules for its columns."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine, self.path = engine, path
        super().__init__(file=open_accelerator(engine, path, "routes", keys=KEYS, create=True))

    def rule(self, rules: ColumnRules) -> None:
        self.settings = replace(self.settings, columns=rules)

    def reopen(self) -> None:
        self.file.close()
        self.file = open_accelerator(self.engine, self.path, "routes")

    def quarantine(self) -> list[tuple[Any, ...]]:
        """As somebody sees it who opens the file when no node has it."""
        self.file.close()
        columns = "SELECT shard_id, sequence, reason, raw FROM"
        if self.engine == "sqlite":
            with closing(sqlite3.connect(self.path)) as file:
                return file.execute(f"{columns} _snowmelt_quarantine").fetchall()
        with duckdb.connect(str(self.path), read_only=True) as database:
            return database.execute(f"{columns} _snowmelt.quarantine").fetchall()

    def bytes_on_disk(self) -> bytes:
        files = [self.path, *sidecars(self.engine, self.path)]
        return b"".join(file.read_bytes() for file in files if file.exists())


@pytest.fixture(params=get_args(Engine))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileWorld]:
    world = FileWorld(request.param, tmp_path / f"routes.{request.param}")
    yield world
    world.file.close()


def test_an_excluded_attribute_is_nowhere_in_the_file(world: FileWorld) -> None:
    world.rule(ColumnRules(excluded=frozenset({"ssn"})))
    for number in range(20):
        world.table.put(f"key-{number}", value=number, ssn=f"{SECRET}-{number}")
    world.run(5.0)
    world.table.put("key-3", value="a word", ssn=SECRET)
    world.table.put("key-new", ssn=SECRET)
    world.table.put("broken", ssn=SECRET, note="\ud800")

    status = world.run(5.0).status()

    # A record cannot be taken apart where its text is none: nothing of it is kept.
    assert status.quarantined_total == 1
    stored = [item for page in world.file.items() for item in page]
    kept = [
        {name: value for name, value in item.items() if name != "ssn"}
        for key, item in world.table.items.items()
        if key != "broken"
    ]
    assert as_text(stored) == as_text(kept)
    assert SECRET.encode() not in world.bytes_on_disk()
    assert b"a word" in world.bytes_on_disk()
    assert "ssn" not in status.misfits


def test_another_list_of_exclusions_is_refused_and_the_old_one_goes_on(world: FileWorld) -> None:
    excluding = ColumnRules(excluded=frozenset({"ssn"}))
    world.rule(excluding)
    world.table.put("key-1", value=1, ssn=SECRET)
    world.run(5.0)
    world.reopen()

    for rules in (ColumnRules(), ColumnRules(excluded=frozenset({"ssn", "value"}))):
        world.rule(rules)
        with pytest.raises(ColumnsRefused, match="the file was loaded with"):
            world.run(5.0)

    world.rule(excluding)
    world.table.put("key-2", value=2, ssn=SECRET)
    world.run(5.0)
    assert world.file.row_count() == 2


def test_declared_columns_are_there_before_the_first_item(world: FileWorld) -> None:
    world.rule(ColumnRules((Column("price", "decimal", 4), Column("state", "text"))))
    world.run(1.0)
    assert world.file.columns().names[:2] == ("price", "state")

    world.table.put("key-1", price=1, state="new")
    world.table.put("key-2", price="free", state=7)
    status = world.run(5.0).status()

    assert world.file.columns().get("price") == Column("price", "decimal", 4)
    assert status.misfits == {"price": 1, "state": 1}
    world.assert_equal()


def test_a_declaration_joins_a_file_that_is_there_and_may_not_contradict_it(
    world: FileWorld,
) -> None:
    world.fill(5)
    world.run(5.0)
    world.reopen()

    world.rule(ColumnRules((Column("value", "text"),)))
    with pytest.raises(ColumnsRefused, match=r"value is declared text, but .* value as integer"):
        world.run(5.0)

    world.rule(ColumnRules((Column("late", "json"),)))
    world.table.put("key-9", late=1)
    world.run(5.0)
    assert world.file.columns().get("late") == Column("late", "json")
    world.assert_equal()


def test_a_record_that_cannot_be_decoded_is_put_aside_loudly_and_stays_so_after_a_restart(
    world: FileWorld,
) -> None:
    world.fill(3)
    world.run(5.0)
    world.table.put("broken", note="\ud800")
    world.table.put("key-9", value=9)

    status = world.run(5.0).status()

    told = "1 records could not be decoded and are in quarantine"
    assert (status.quarantined_total, status.degraded) == (1, told)
    assert status.phase == "stopped"
    assert world.file.row_count() == 4
    ((shard_id, sequence, reason, raw),) = world.quarantine()
    assert shard_id.startswith("shardId-")
    assert sequence.isdigit()
    assert reason
    assert b'"broken"' in raw
    world.reopen()
    again = world.run(5.0).status()
    assert (again.quarantined_total, again.degraded) == (1, told)


def test_what_does_not_fit_is_counted_by_attribute_over_restarts(world: FileWorld) -> None:
    world.fill(3)
    world.run(5.0)
    world.table.put("key-0", value="a word")
    world.run(5.0)
    world.reopen()
    world.table.put("key-1", value="another", Value=1)

    status = world.run(5.0).status()

    assert status.misfits == {"value": 2, "Value": 1}
    world.assert_equal()


def test_capture_goes_on_with_the_columns_that_upkeep_has_widened(world: FileWorld) -> None:
    world.settings = replace(world.settings, scan_segments=1, scan_max_rcu=0.5)
    world.table.scan_page_items = 1
    for number in range(12):
        world.table.put(f"key-{number}", value="a word" if number % 2 else number)
    world.clock.advance(1_000.0)  # so that the scan brings them, page by page
    world.clock.every(2.0, lambda: world.table.put("late", value=world.clock.now), until=70.0)

    status = world.run(90.0).status()

    is_widened = world.file.columns().get("value") == Column("value", "json")
    assert is_widened == (world.engine == "duckdb")
    assert status.phase == "stopped"
    world.assert_equal()
