"""Where objects lie and who asks for them: the parsed location, its parameters, and the key check.

    s3://bucket/prefix      file:///absolute/path      memory://name/prefix      gs://…, abfs://…

Paths are taken as they stand: nothing is percent-decoded, so what a person reads is what is used.
Secrets never come from the location and never leave `StoreParams` by its repr.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from snapshotter.errors import StoreRefused

ServerSideEncryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_MOST_KEY_BYTES = 1024  # the limit of S3; prefix included


@dataclass(frozen=True, slots=True)
class StoreParams:
    """The `snapshots.params` of the configuration. `endpoint`: URL of an S3-compatible store.

    `encryption`: what S3 is asked to do with each object, None for what the bucket does by itself.
    `kms_key`: id, ARN or alias of its key. `bucket_key`: one data key for many objects.
    """

    auth: Literal["iam_role", "key"] = "iam_role"
    key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    expected_bucket_owner: str | None = None
    encryption: ServerSideEncryption | None = None
    kms_key: str | None = None
    bucket_key: bool | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """A parsed location. `prefix`: no slash at its ends. `root`: the bucket, empty for a file."""

    scheme: str
    root: str
    prefix: str

    @property
    def url(self) -> str:
        """The location as a person would write it."""
        return f"{self.scheme}://{self.root}{'/' if self.prefix else ''}{self.prefix}"

    def full_key(self, key: str) -> str:
        """The key below the prefix. Raises StoreRefused if it is no clean relative path."""
        full = f"{self.prefix}/{key}" if self.prefix else key
        if not _is_clean(key) or len(full.encode()) > _MOST_KEY_BYTES:
            raise StoreRefused(f"not a usable object key: {key[:200]!r}")
        return full

    def full_prefix(self, prefix: str) -> str:
        """Like `full_key` for a listing: may be empty, may end within a name or with a slash."""
        if prefix and not _is_clean(prefix.removesuffix("/")):
            raise StoreRefused(f"not a usable key prefix: {prefix[:200]!r}")
        return f"{self.prefix}/{prefix}" if self.prefix else prefix


def parse_location(url: str) -> Location:
    """Take a location apart. Raises StoreRefused; the message repeats no credentials."""
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise StoreRefused(
            f"not a location: {url[:200]!r}" if "@" not in url else "not a location",
            hint="write s3://bucket/path or file:///absolute/path",
        )
    if scheme == "file":
        return _file_location(rest)
    root, _, prefix = rest.partition("/")
    if "@" in root and not scheme.startswith("abfs"):  # abfs://container@account is its own form
        raise StoreRefused(
            f"the {scheme}:// location carries credentials",
            hint="put them into snapshots.params (s3_auth: key, s3_key, s3_secret)",
        )
    prefix = prefix.strip("/")
    if not root or (prefix and not _is_clean(prefix)):
        raise StoreRefused(
            f"not a usable location: {url[:200]!r}", hint=f"write {scheme}://bucket/path"
        )
    return Location(scheme, root, prefix)


def _file_location(path: str) -> Location:
    prefix = path.strip("/")
    if not path.startswith("/") or not prefix or not _is_clean(prefix):
        raise StoreRefused(
            f"not an absolute path: 'file://{path[:200]}'", hint="write file:///absolute/path"
        )
    return Location("file", "", prefix)


def _is_clean(path: str) -> bool:
    """Relative, without an empty, `.` or `..` part, control character or backslash."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return False
    return path.isprintable() and "\\" not in path
