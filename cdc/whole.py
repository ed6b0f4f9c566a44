"""Is the body of an answer whole? Standard retries can return one that was cut, or damaged.

Asked of every answer, by whichever way it came. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping


class DamagedAnswer(Exception):
    """An answer that is not whole; its text says what came."""


def fault_of(body: bytes, headers: Mapping[str, str]) -> str | None:
    """What is wrong with a body of JSON, or None: its length, its CRC32, its end."""
    length = headers.get("Content-Length")
    if length is not None and int(length) != len(body):
        return f"{len(body)} of {length} bytes"
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and int(checksum) != zlib.crc32(body):
        return "a body that does not match its checksum"
    if not body.rstrip().endswith(b"}"):
        return "a body that is no whole JSON object"
    return None
