"""DuckDB's errors as ours: one function, used by every module that calls DuckDB on the file.

The driver names classes loosely (a full disk at commit is a TransactionException), so the text
decides. Messages keep the engine's first line, which says what it tried; the rest is advice for
people at a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from cdc.errors import CdcError, FileBusy, FileUnusable, FormatUnknown, NoSpace

_BUSY = ("Could not set lock on file", "Unique file handle conflict", "is already attached")
_FULL = (
    "No space left on device",
    "File too large",
    "Disk quota exceeded",
    "max_temp_directory_size",
)
_NEWER = ("storage version", "database file with version number", "newer version of DuckDB")
_REOPEN = "close this file and open it again; the last commit is kept"


def translated(error: duckdb.Error, path: Path, action: str) -> CdcError:
    """The error of ours that fits. `action` says what was tried, e.g. "apply a batch to"."""
    text = str(error)
    message = f"cannot {action} {path}: {first_line(error)}"
    if isinstance(error, duckdb.ResourceInUseException) or _has(text, _BUSY):
        return FileBusy(message)
    if _has(text, _FULL):
        return NoSpace(message)
    if _has(text, _NEWER):
        return FormatUnknown(message)
    if "has been invalidated" in text:
        return FileUnusable(message, hint=_REOPEN)
    if isinstance(error, duckdb.OutOfMemoryException):
        return FileUnusable(message, hint="raise the memory limit of this dataset")
    return FileUnusable(message)


def first_line(error: BaseException) -> str:
    """What the engine says, without its advice and its picture of the statement."""
    return str(error).split("\n", 1)[0].strip() or type(error).__name__


@contextmanager
def translating(path: Path, action: str) -> Iterator[None]:
    """Raise DuckDB's errors as ours."""
    try:
        yield
    except duckdb.Error as error:
        raise translated(error, path, action) from error
    except OSError as error:
        raise FileUnusable(f"cannot {action} {path}: {error.strerror or error}") from error


def _has(text: str, needles: tuple[str, ...]) -> bool:
    folded = text.casefold()
    return any(needle.casefold() in folded for needle in needles)
