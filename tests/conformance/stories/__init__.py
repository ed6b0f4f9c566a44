"""Importing this package registers every story."""

from tests.conformance.stories import (  # noqa: F401 - imported to be registered
    gaps,
    iterators,
    life,
    listings,
    pace,
    shards,
    starts,
)
