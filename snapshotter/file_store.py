"""Objects as files below one directory: for tests, shared volumes, and moving snapshots by hand.

A write is a finished temporary file, synced, then brought to its name by one rename or link, whose
directory is synced in turn: readers see the old object or the new one. Everything that changes a
name happens under one lock file, so conditional writes hold between processes of one machine
(between machines as far as the volume's flock does). No symbolic link below the root is followed.

An etag is inode, size and modification time in ns: a listing must not read 64 MiB packs to hash
them. Two versions of one key never share it: the new file exists beside the old one, and its time
is set from the ns clock rather than from the kernel's tick.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from snapshotter.durable import make_directories, sync_directory, write_synced
from snapshotter.errors import (
    Corrupt,
    ObjectMissing,
    PreconditionFailed,
    StoreAccessDenied,
    StoreRefused,
    StoreUnreachable,
)
from snapshotter.location import Location
from snapshotter.store import ObjectInfo, StoredObject

_PRIVATE = ".snowmelt"  # lock and unfinished writes; never listed, never a key
_LOCK_SECONDS = 30.0  # the lock is held for a rename; longer means that its holder is stopped
_LOCK_POLL_SECONDS = 0.005
_STALE_SECONDS = 24 * 3600.0  # an unfinished write this old belongs to a process that died
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WRONG = {errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EMLINK}
# Non-blocking, because opening a pipe that somebody left there would wait for its writer.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class FileStore:
    """An ObjectStore in a directory, which is created by the first write."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._root = Path("/" + location.prefix).resolve()
        self._private = self._root / _PRIVATE
        self._swept = False

    @property
    def url(self) -> str:
        return self._location.url

    def get(self, key: str, *, max_bytes: int) -> StoredObject:
        with self._translated("read", key), self._opened(key) as file:
            facts = os.fstat(file)
            if facts.st_size > max_bytes:
                raise Corrupt(
                    f"{self.url}/{key} has {facts.st_size} bytes, more than the {max_bytes} allowed"
                )
            return StoredObject(self._read(file, key, 0, facts.st_size), _etag(facts))

    def get_changed(self, key: str, etag: str, *, max_bytes: int) -> StoredObject | None:
        with self._translated("look at", key), self._opened(key) as file:
            if _etag(os.fstat(file)) == etag:
                return None
        return self.get(key, max_bytes=max_bytes)

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        with self._translated("read", key), self._opened(key) as file:
            return self._read(file, key, offset, size)

    def read_into(self, key: str, offset: int, into: memoryview) -> None:
        into[:] = self.get_range(key, offset, len(into))

    def head(self, key: str) -> ObjectInfo | None:
        with self._translated("look at", key):
            try:
                facts = self._path(key).lstat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return _info(key, facts) if stat.S_ISREG(facts.st_mode) else None

    def put(self, key: str, data: bytes) -> str:
        with self._translated("write", key), self._written(key, data) as (temporary, path, etag):
            temporary.replace(path)
        return etag

    def put_if_absent(self, key: str, data: bytes) -> str:
        with self._translated("write", key), self._written(key, data) as (temporary, path, etag):
            try:
                os.link(temporary, path)
            except FileExistsError as error:
                raise PreconditionFailed(f"{self.url}/{key} exists already") from error
        return etag

    def put_if_match(self, key: str, data: bytes, etag: str) -> str:
        with self._translated("write", key), self._written(key, data) as (temporary, path, new):
            try:
                current = _etag(path.lstat())
            except FileNotFoundError as error:
                raise PreconditionFailed(f"{self.url}/{key} does not exist any more") from error
            if current != etag:
                raise PreconditionFailed(f"{self.url}/{key} was replaced by somebody else")
            temporary.replace(path)
        return new

    def delete(self, key: str) -> None:
        with self._translated("delete", key):
            path = self._path(key)
            if not os.path.lexists(path):
                return
            with self._locked():
                path.unlink(missing_ok=True)
                sync_directory(path.parent)
                self._remove_empty_directories(path.parent)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._location.full_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        with self._translated("list", prefix):
            if folder:
                self._path(folder)
            yield from self._walk(folder + "/" if folder else "", prefix)

    def now(self) -> float:
        return time.time()

    def _path(self, key: str) -> Path:
        self._location.full_key(key)
        if _PRIVATE in key.split("/"):
            raise StoreRefused(f"{self.url}: {_PRIVATE} is not part of a key")
        path = self._root / key
        if path.resolve() != path:
            raise StoreRefused(
                f"{self.url}/{key} leads through a symbolic link",
                hint="replace the link by a directory, or name its target as the location",
            )
        return path

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        try:
            file = os.open(self._path(key), _READ_FLAGS)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissing(f"{self.url}/{key} does not exist") from error
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise ObjectMissing(f"{self.url}/{key} is not a file")
            yield file
        finally:
            os.close(file)

    def _read(self, file: int, key: str, offset: int, size: int) -> bytes:
        available = os.fstat(file).st_size
        if offset < 0 or size < 0 or offset + size > available:
            raise Corrupt(
                f"{self.url}/{key} ends at {available}, wanted {size} bytes from {offset}"
            )
        chunks = []
        while size:
            chunk = os.pread(file, size, offset)
            if not chunk:
                raise Corrupt(f"{self.url}/{key} became shorter while it was read")
            chunks.append(chunk)
            offset += len(chunk)
            size -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    @contextlib.contextmanager
    def _written(self, key: str, data: bytes) -> Iterator[tuple[Path, Path, str]]:
        """A synced temporary file, the final path and the etag to be; runs the body locked."""
        path = self._path(key)
        make_directories(self._private)
        self._sweep()
        temporary = self._private / f"write-{os.getpid()}-{secrets.token_hex(8)}"
        try:
            etag = _etag(write_synced(temporary, data))
            with self._locked():
                make_directories(path.parent)
                yield temporary, path, etag
                sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock of this directory; its own descriptor each time, so that threads take turns."""
        lock = os.open(self._private / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            end = time.monotonic() + _LOCK_SECONDS
            while not _try_lock(lock):
                if time.monotonic() > end:
                    raise StoreUnreachable(
                        f"{self.url} is locked for more than {_LOCK_SECONDS:.0f} s",
                        hint=f"look for a stopped process that holds {_PRIVATE}/lock",
                    )
                time.sleep(_LOCK_POLL_SECONDS)
            yield
        finally:
            os.close(lock)

    def _sweep(self) -> None:
        """Remove once what writers that died left behind."""
        if self._swept:
            return
        self._swept = True
        for file in self._private.glob("write-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - file.lstat().st_mtime > _STALE_SECONDS:
                    file.unlink()

    def _remove_empty_directories(self, folder: Path) -> None:
        with contextlib.suppress(OSError):  # not empty: that is where it ends
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        """Objects below `folder` ("" or with a slash at its end), in the order of whole keys."""
        try:
            with os.scandir(self._root / folder) as found:
                entries = {_sort_name(entry): entry for entry in found if entry.name != _PRIVATE}
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in sorted(entries):
            key = folder + name
            if name.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(key, prefix)
            elif key.startswith(prefix):
                try:
                    facts = entries[name].stat(follow_symlinks=False)
                except FileNotFoundError:  # deleted since the directory was read
                    continue
                if stat.S_ISREG(facts.st_mode):
                    yield _info(key, facts)

    @contextlib.contextmanager
    def _translated(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = f"cannot {action} {self.url}/{key}: {error.strerror or error}"
            if error.errno in _DENIED:
                raise StoreAccessDenied(
                    what, hint="give this user the right to read and write the directory"
                ) from error
            if error.errno in _WRONG:
                raise StoreRefused(what) from error
            hint = "free space or enlarge the volume" if error.errno in _FULL else None
            raise StoreUnreachable(what, hint=hint) from error


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sort_name(entry: os.DirEntry[str]) -> str:
    return entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name


def _etag(facts: os.stat_result) -> str:
    return f"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"


def _info(key: str, facts: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, facts.st_size, _etag(facts), facts.st_mtime)
