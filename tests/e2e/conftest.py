"""Nodes that end with their test, and the size of the table of flights."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.ageing import MakeAgeing, making
from tests.e2e.nodes import Document, Node
from tests.servers.moving_clock import MovingClock

_FULL_SECONDS = 3600
_FULL_PATIENCE_SECONDS = 900


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--full"):
        return
    for item in items:
        if item.path.name == "test_flights.py":
            item.add_marker(pytest.mark.timeout(_FULL_SECONDS), append=False)


@pytest.fixture
def make_node(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Node]]:
    """`make_node("name", document)`: a node with an empty disk, killed at the end of the test."""
    made: list[Node] = []

    def make(name: str, document: Document, environment: Mapping[str, str] | None = None) -> Node:
        made.append(Node(tmp_path / name, document, environment or {}))
        if request.config.getoption("--full"):
            made[-1].patience_seconds = _FULL_PATIENCE_SECONDS
        return made[-1]

    yield make
    for node in made:
        node.kill()


@pytest.fixture
def make_ageing(
    dynamodb_local_moving: MovingClock, make_node: Callable[..., Node]
) -> Iterator[MakeAgeing]:
    """`make_ageing("duckdb", {"name": params})`: a table that is read under these names."""
    with making(dynamodb_local_moving, make_node) as make:
        yield make
