"""The file of a part while it is being restored: made with its length, written at places."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from cdc.errors import FileUnusable
from restorer.errors import NoSpace

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class PartFile:
    """An open file; threads may write different places at once. To be closed.

    Raises NoSpace and FileUnusable, as `write` does.
    """

    def __init__(self, path: Path, length: int) -> None:
        self.path = path
        try:
            self.descriptor = os.open(path, _FLAGS, 0o644)
            try:
                os.ftruncate(self.descriptor, length)
            except OSError:
                os.close(self.descriptor)
                raise
        except OSError as error:
            raise write_failed(path, error) from error

    def write(self, data: memoryview, offset: int) -> None:
        """Write all of it."""
        try:
            # A signal or a full disk cuts a write short; the next call tells which.
            while data:
                done = os.pwritev(self.descriptor, [data], offset)
                data, offset = data[done:], offset + done
        except OSError as error:
            raise write_failed(self.path, error) from error

    def close(self) -> None:
        """Nobody may write any more."""
        os.close(self.descriptor)


def write_failed(path: Path, error: OSError) -> NoSpace | FileUnusable:
    """The named error for a failed write below the target."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"no space left while writing {path}")
    return FileUnusable(f"cannot write {path}: {error.strerror}")
