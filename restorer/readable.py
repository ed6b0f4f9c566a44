"""Which storage versions of the published snapshots the engines installed here can open.

DuckDB reads every storage version up to its own, which is asked from the installed package: loading
the engine would cost a node that has another one. SQLite has had one file format since 2004.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from restorer.facts import Candidate, Published

_SQLITE = "3"
_NUMBERS = re.compile(r"v?([0-9]+)\.([0-9]+)\.([0-9]+)")


def readable_versions(published: Published) -> frozenset[str]:
    """The storage versions among the candidates that can be opened here."""
    installed = _installed_duckdb()
    readable = (c.storage_version for c in published.candidates if _is_readable(c, installed))
    return frozenset(readable)


def _is_readable(candidate: Candidate, installed: tuple[int, ...] | None) -> bool:
    if candidate.engine == "sqlite":
        return candidate.storage_version == _SQLITE
    wanted = _numbers(candidate.storage_version)
    return installed is not None and wanted is not None and wanted <= installed


def _installed_duckdb() -> tuple[int, ...] | None:
    try:
        return _numbers(version("duckdb"))
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...] | None:
    match = _NUMBERS.match(text)
    return None if match is None else tuple(map(int, match.groups()))
