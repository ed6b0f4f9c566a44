"""No more bytes a second than agreed, by all restores of a host together.

Whoever reads reserves the time that its bytes take, one behind the other; the end of the last
reservation stands in a small file in the directory for temporary files, which all processes of a
user share (in a container: those of that container, or of all that mount the directory). The clock
is the machine's, monotonic since its start.
"""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
import time
from pathlib import Path

from cdc.errors import FileUnusable

_MOMENT = struct.Struct("<d")
# No reservation reaches further: what does was written before the machine was started again.
_MOST_SECONDS = 3600.0


def host_ledger() -> Path:
    """The file in which the processes of this user on this host reserve."""
    return Path(tempfile.gettempdir()) / f"snowmelt-bandwidth-{os.getuid()}"


class Bandwidth:
    """A limit, shared by all that use the same ledger. Thread-safe."""

    def __init__(self, bytes_per_second: float, ledger: Path | None = None) -> None:
        self._rate = bytes_per_second
        self._ledger = ledger or host_ledger()

    def reserve(self, size: int) -> float:
        """The moment, of time.monotonic(), from which so many bytes may be asked for.

        Raises FileUnusable.
        """
        seconds = size / self._rate
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self._ledger, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                now = time.monotonic()
                noted = os.pread(descriptor, _MOMENT.size, 0)
                free_at = _MOMENT.unpack(noted)[0] if len(noted) == _MOMENT.size else now
                begin = free_at if now < free_at < now + _MOST_SECONDS else now
                os.pwrite(descriptor, _MOMENT.pack(begin + seconds), 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise FileUnusable(f"cannot use {self._ledger}: {error.strerror}") from error
        return float(begin)
