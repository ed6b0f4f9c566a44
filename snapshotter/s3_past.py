"""A versioned bucket as it was at an instant, also behind deletions and overwriting. Read-only.

    head.json, bucket.json    the newest version that is not younger than the instant
    everything else           the oldest version: no name is ever used for two contents, so what
                              came later under it is not ours

Delete markers are passed over. Which version is the right one is a guess here, by the bucket's own
times; pointer, header, map and blocks are proven by their digests as ever, so a wrong guess is an
error and never wrong data. Versions that were deleted themselves are gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from snapshotter.errors import ObjectMissing, StoreRefused
from snapshotter.location import Location, StoreParams
from snapshotter.s3_store import Check, Read, S3Store
from snapshotter.store import ObjectInfo, StoredObject

_REPLACED = ("head.json", "bucket.json")
_UNVERSIONED = "null"


class PastStore(S3Store):
    """An ObjectStore that is read as of an instant, epoch seconds. Thread-safe.

    Needs s3:ListBucketVersions and s3:GetObjectVersion.
    """

    def __init__(self, location: Location, params: StoreParams, as_of: float) -> None:
        super().__init__(location, params)
        self._as_of = as_of
        self._chosen: dict[str, ObjectInfo] = {}

    def head(self, key: str) -> ObjectInfo | None:
        try:
            return self._version(key)
        except ObjectMissing:
            return None

    def _fetch(self, key: str, check: Check, read: Read, **arguments: str) -> StoredObject:
        version = self._version(key).etag
        if version != _UNVERSIONED:
            arguments["VersionId"] = version
        return super()._fetch(key, check, read, **arguments)

    def _version(self, key: str) -> ObjectInfo:
        """The version that is read; its id stands for the etag."""
        found = self._chosen.get(key)
        if found is None:
            found = self._chosen[key] = self._choose(key)
        return found

    def _choose(self, key: str) -> ObjectInfo:
        versions = self._versions(key)
        if key.rpartition("/")[2] in _REPLACED:
            versions = [each for each in versions if each.modified_at <= self._as_of]
            chosen = max(reversed(versions), key=_age, default=None)
        else:
            chosen = min(versions, key=_age, default=None)
        if chosen is None:
            raise ObjectMissing(f"{self.url}/{key} has no version of that time")
        return chosen

    def _versions(self, key: str) -> list[ObjectInfo]:
        """Oldest first where times are equal, so that the first of several minima is the oldest."""
        full = self._location.full_key(key)
        with self._translated("ListBucketVersions", key):
            paginator = self._clients()[0].get_paginator("list_object_versions")
            found = [
                ObjectInfo(
                    key, int(each["Size"]), str(each["VersionId"]), each["LastModified"].timestamp()
                )
                for page in paginator.paginate(Prefix=full, **self._common)
                for each in page.get("Versions", ())
                if each["Key"] == full
            ]
        return found[::-1]

    # ------------------------------------------------------------ what the past does not know

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._refuse(prefix)

    def put(self, key: str, data: bytes) -> str:  # noqa: ARG002 - the contract's
        self._refuse(key)

    def put_if_absent(self, key: str, data: bytes) -> str:  # noqa: ARG002 - the contract's
        self._refuse(key)

    def put_if_match(self, key: str, data: bytes, etag: str) -> str:  # noqa: ARG002 - the same
        self._refuse(key)

    def delete(self, key: str) -> None:
        self._refuse(key)

    def _refuse(self, key: str) -> NoReturn:
        raise StoreRefused(f"{self.url}/{key}: the past is only read", hint="leave --as-of out")


def _age(version: ObjectInfo) -> float:
    return version.modified_at
