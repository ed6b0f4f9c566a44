"""What the engines installed here can open is known before a download."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from restorer.readable import readable_versions
from tests.restorer.offers import candidate, published


@pytest.mark.parametrize(
    "engine, storage_version, is_readable",
    [
        ("duckdb", "v1.5.0", True),
        ("duckdb", f"v{version('duckdb')}", True),
        ("duckdb", "v99.0.0", False),
        ("duckdb", "latest", False),
        ("sqlite", "3", True),
        ("sqlite", "4", False),
    ],
)
def test_a_storage_version_up_to_the_installed_engine_is_readable(
    engine: str, storage_version: str, *, is_readable: bool
) -> None:
    offer = published(candidate(1, engine=engine, storage_version=storage_version))

    assert (storage_version in readable_versions(offer)) is is_readable
