"""What a test needs and the machine lacks: a skip at a desk, a failure in CI."""

import os
from typing import NoReturn

import pytest

_YES = ("1", "true", "yes")


def servers_required() -> bool:
    return any(
        os.environ.get(name, "").lower() in _YES for name in ("CI", "SNOWMELT_REQUIRE_SERVERS")
    )


def missing(reason: str) -> NoReturn:
    """Skip with a reason; where servers are required, fail with it."""
    if servers_required():
        pytest.fail(f"required here, but {reason}", pytrace=False)
    pytest.skip(reason)
