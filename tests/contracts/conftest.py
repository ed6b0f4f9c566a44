"""Fixtures of the accelerator suite: every test runs once per engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc.accelerator import Accelerator, Engine
from cdc.engines import open_accelerator
from tests.contracts.accelerator import BY_ID, DATASET, ENGINES, Producer


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.param  # type: ignore[no-any-return] # the fixture's params are engines


@pytest.fixture
def path(tmp_path: Path, engine: Engine) -> Path:
    return tmp_path / f"file.{engine}"


@pytest.fixture
def accelerator(engine: Engine, path: Path) -> Iterator[Accelerator]:
    made = open_accelerator(engine, path, DATASET, keys=BY_ID, create=True)
    yield made
    made.close()


@pytest.fixture
def producer(accelerator: Accelerator) -> Producer:
    return Producer(accelerator)
