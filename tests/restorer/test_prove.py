"""What opens and holds what the manifest says is one file afterwards; the rest is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cdc.accelerator import Engine
from cdc.engines import sidecars
from restorer.fetch import fetch
from restorer.plan import make_plan
from restorer.prove import prove
from snapshotter.errors import Corrupt, FormatTooNew
from snapshotter.format import Header
from snapshotter.reader import read_header, read_pointer, read_segments
from tests.restorer.accelerators import DATASET, Producer, plain_rows, rows_of
from tests.restorer.published import directory_store

ENGINES: tuple[Engine, ...] = ("duckdb", "sqlite")


@pytest.fixture(params=ENGINES)
def staged(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Header, Engine]:
    """A fetched file with a log beside it, not yet proven."""
    engine: Engine = request.param
    store = directory_store(tmp_path / "bucket")
    producer = Producer(store, tmp_path / f"source.{engine}", engine)
    producer.put(0, 1000, seed=1)
    producer.accelerator.maintain(idle=True)
    with producer.accelerator.freeze() as image:
        producer.publisher.publish(image, reason="folded")
    producer.put(0, 10, seed=2)
    snapshot_id = producer.publish()
    producer.close()
    entry = read_pointer(store, DATASET).entry(snapshot_id)
    assert entry is not None
    header = read_header(store, entry)
    plan = make_plan(header, [read_segments(store, header, part) for part in header.parts])
    main = tmp_path / "staged" / "file"
    main.parent.mkdir()
    files = {"main": main, "tail": sidecars(engine, main)[0]}
    fetch(store, plan, [files[part.name] for part in header.parts])
    return main, header, engine


def test_a_proven_file_is_one_file_with_the_rows_of_its_log(
    staged: tuple[Path, Header, Engine],
) -> None:
    main, header, engine = staged
    assert [part.name for part in header.parts] == ["main", "tail"]

    prove(main, header, engine)

    assert not any(
        sidecar.exists() and sidecar.stat().st_size for sidecar in sidecars(engine, main)
    )
    assert plain_rows(main, engine) == [*rows_of(0, 10, seed=2), *rows_of(0, 1000, seed=1)[10:]]


def test_a_file_at_another_checkpoint_is_refused(staged: tuple[Path, Header, Engine]) -> None:
    main, header, engine = staged
    promised = replace(header, checkpoint=header.checkpoint.next())

    with pytest.raises(Corrupt, match="the checkpoint in the file is not that of the manifest"):
        prove(main, promised, engine)


def test_a_file_without_its_log_is_refused(staged: tuple[Path, Header, Engine]) -> None:
    main, header, engine = staged
    sidecars(engine, main)[0].unlink()

    with pytest.raises(Corrupt):
        prove(main, header, engine)


def test_a_file_with_other_rows_is_refused(staged: tuple[Path, Header, Engine]) -> None:
    main, header, engine = staged

    with pytest.raises(Corrupt, match="1000 rows in the file, 999 in the manifest"):
        prove(main, replace(header, row_count=999), engine)


def test_a_file_with_other_columns_is_refused(staged: tuple[Path, Header, Engine]) -> None:
    main, header, engine = staged

    with pytest.raises(Corrupt, match="columns"):
        prove(main, replace(header, columns="[]"), engine)


def test_a_file_that_is_no_database_is_refused(staged: tuple[Path, Header, Engine]) -> None:
    main, header, engine = staged
    main.write_bytes(b"\xff" * main.stat().st_size)

    with pytest.raises((Corrupt, FormatTooNew), match=header.snapshot_id):
        prove(main, header, engine)
