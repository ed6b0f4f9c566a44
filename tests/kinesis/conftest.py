"""Fixtures of the stories on Kinesis."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from cdc.accelerator import Engine
from tests.kinesis.world import World, world
from tests.servers.kinesalite import Kinesalite
from tests.servers.moto import MotoServer


@pytest.fixture(params=get_args(Engine))
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


@pytest.fixture
def routes(
    kinesalite: Kinesalite, moto_server: MotoServer, tmp_path: Path, engine: Engine
) -> Iterator[World]:
    """A table with a stream of two shards."""
    with world(kinesalite, moto_server, tmp_path / "file", engine) as made:
        yield made
