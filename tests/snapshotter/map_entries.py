"""Entries of a map as they are written."""

from collections.abc import Iterable

from snapshotter.format import MapEntry
from snapshotter.runs import ENTRY


def packed(entries: Iterable[MapEntry]) -> bytes:
    """One behind the other."""
    return b"".join(ENTRY.pack(*entry) for entry in entries)
