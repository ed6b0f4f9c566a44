"""A SQLite file on disk: its lock, its connections and pragmas, its errors in our words.

One node owns a file: an flock on `<path>.lock`, held open. Other processes may read the file with
plain sqlite3 and `mode=ro` while the node runs.

The log (WAL) is emptied into the main file by `maintain` alone: automatic checkpoints are off on
every connection. Commits are not synced one by one (`synchronous=NORMAL`): after a power failure
the file is at an earlier commit, rows and checkpoint together.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from cdc.errors import CdcError, FileBusy, FileUnusable, NoSpace

OLDEST_SQLITE = (3, 37, 0)  # the first with STRICT tables
# A page is what a snapshot stores again after a change; in larger ones a row touches more.
PAGE_BYTES = 4096
# What a batch of 20,000 rows all over a large table changes: with less, pages are written and read
# again within the commit.
_WRITER_CACHE_KIB = 128 * 1024
_READER_CACHE_KIB = 4 * 1024
# Another process that writes is not ours; this long it may hold the file before we give up.
_BUSY_SECONDS = 5.0
_NEARLY_FULL_BYTES = 1024 * 1024


@contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into those of `cdc.errors`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _of_sqlite(error, path, doing) from error
    except OSError as error:
        raise _of_system(error, path, doing) from error


def _of_sqlite(error: sqlite3.Error, path: Path, doing: str) -> CdcError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    what = f"{path}: {doing}: {error}"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FileBusy(what)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return NoSpace(what)
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return FileUnusable(what, hint="move the file away; a restore or a bootstrap rebuilds it")
    return FileUnusable(what)


def _of_system(error: OSError, path: Path, doing: str) -> CdcError:
    what = f"{path}: {doing}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(what)
    return FileUnusable(what)


def _is_full(path: Path) -> bool:
    try:
        file_system = os.statvfs(path.parent)
    except OSError:
        return False
    return file_system.f_bavail * file_system.f_frsize < _NEARLY_FULL_BYTES


class FileLock:
    """The one owner of a path. The lock file stays: removing it would let two owners in."""

    def __init__(self, path: Path) -> None:
        lock_path = Path(f"{path}.lock")
        with translated(path, "taking the lock"):
            self._file: IO[bytes] = lock_path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise _of_system(error, path, "taking the lock") from error
            raise FileBusy(f"{path}: another node holds {lock_path.name}") from error

    def release(self) -> None:
        self._file.close()


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection that may write, in WAL mode, with explicit transactions. Creates the file."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise FileUnusable(
            f"{path}: this Python has SQLite {sqlite3.sqlite_version}",
            hint=f"use a Python with SQLite {oldest} or newer, or the engine duckdb",
        )
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA synchronous=NORMAL")
        # What was deleted must leave the file, and with it the snapshots. FAST would leave freed
        # pages as they are, and their bytes come back in the ends of others.
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute(f"PRAGMA cache_size=-{_WRITER_CACHE_KIB}")
        _spill_beside(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _spill_beside(connection: sqlite3.Connection, path: Path) -> None:
    """Let SQLite sort beside a file of this process: a container's root may be read-only."""
    chosen = connection.execute("PRAGMA temp_store_directory").fetchone()
    if not chosen or not Path(chosen[0]).is_dir():
        directory = str(path.absolute().parent).replace("'", "''")
        connection.execute(f"PRAGMA temp_store_directory='{directory}'")


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=ro",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA query_only=ON")
    connection.execute(f"PRAGMA cache_size=-{_READER_CACHE_KIB}")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str = "BEGIN") -> Iterator[None]:
    """Commit at the end, roll back on any error: one left open would hold the log for ever."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # A connection that was closed meanwhile has no transaction left.
        with suppress(sqlite3.ProgrammingError):
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """Move the log into the main file without waiting. True if all of it was moved.

    SQLite reports a reader in the way in the row that it returns, not as an error.
    """
    busy, in_log, moved = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return not busy and in_log == moved


def fold_log(path: Path) -> None:
    """Fold the log of a file that nobody has open into the file, and remove the sidecars.

    The file stays in WAL mode. Raises FileBusy if somebody has it open.
    """
    if not path.exists():
        raise FileUnusable(f"{path}: folding the log: there is no such file")
    with translated(path, "folding the log"):
        connection = connect_writer(path)
        try:
            if not checkpoint(connection, "TRUNCATE"):
                raise FileBusy(f"{path}: folding the log: a reader is in the way")
        finally:
            connection.close()
    left = [suffix for suffix in ("-wal", "-shm") if Path(f"{path}{suffix}").exists()]
    if left:
        raise FileBusy(f"{path}: folding the log: somebody has the file open")
