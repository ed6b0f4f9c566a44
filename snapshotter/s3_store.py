"""Objects in S3 and in stores that speak its protocol.

Two clients of one identity: one retries, the other sends every request once. Conditional writes go
through the second, because a repeated one meets its own success and calls it a defeat. A 409 of a
conditional write means that another one was under way, so it is a defeat like 412.

A body is checked against its announced length; digests are the format's business. Where encryption
at rest is asked for, the answer to each write has to say that it was done, and to a scratch object
first: a store that ignores the wish holds nothing of ours then.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cdc.aws import AwsParams, ServiceClock, chain_faults, make_clients
from snapshotter.bucket_settings import CALLS, Answer, BucketSettings
from snapshotter.errors import (
    Corrupt,
    ObjectMissing,
    PreconditionFailed,
    SnapshotError,
    StoreAccessDenied,
)
from snapshotter.lifecycle import takers
from snapshotter.location import Location, StoreParams
from snapshotter.s3_deadline import ended_at
from snapshotter.s3_encryption import Encryption
from snapshotter.s3_errors import OPEN, is_unchanged, translate
from snapshotter.store import ObjectInfo, StoredObject

_BODY_TRIES = 3
_SLOWEST = 32 * 1024  # bytes a second that a line has at least
# Of a body that goes into given memory: they stay in a core's cache.
_PIECE_BYTES = 128 * 1024
_SCRATCH = "probe/encryption"  # written over by each process that asks for encryption, never read


Check = Callable[[Mapping[str, Any]], None]
Read = Callable[[Any], bytes]


class S3Store:
    """An ObjectStore in a bucket. Thread-safe.

    Raises StoreRefused or StoreAccessDenied at once if region, endpoint or keys are unusable.
    `patience_seconds`: how long an answer may take besides what its bytes take on a slow line.
    `encrypted_as`: how the service said that it encrypted the last object, "" if it did not.
    """

    def __init__(self, location: Location, params: StoreParams) -> None:
        self._location = location
        self._clock = ServiceClock()
        self._common: dict[str, str] = {"Bucket": location.root}
        if params.expected_bucket_owner:
            self._common["ExpectedBucketOwner"] = params.expected_bucket_owner
        self._params = params
        self._encryption = Encryption.asked_by(params)
        self._is_tried = not self._encryption.is_asked
        self.encrypted_as = ""
        self.patience_seconds = 60.0
        self._connected: tuple[Any, Any] | None = None
        self._clients()

    @property
    def url(self) -> str:
        return self._location.url

    def get(self, key: str, *, max_bytes: int) -> StoredObject:
        return self._get(key, max_bytes)

    def get_changed(self, key: str, etag: str, *, max_bytes: int) -> StoredObject | None:
        try:
            return self._get(key, max_bytes, IfNoneMatch=etag)
        except SnapshotError as error:
            if is_unchanged(error.__cause__):
                return None
            raise

    def _get(self, key: str, max_bytes: int, **condition: str) -> StoredObject:
        def check(answer: Mapping[str, Any]) -> None:
            size = answer["ContentLength"]
            if size > max_bytes:
                raise Corrupt(
                    f"{self.url}/{key} has {size} bytes, more than the {max_bytes} allowed"
                )

        return self._fetch(key, check, _all, **condition)

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        return self._ranged(key, offset, size, _all) if size else b""

    def read_into(self, key: str, offset: int, into: memoryview) -> None:
        def fill(body: Any) -> bytes:
            at = 0
            while piece := body.read(_PIECE_BYTES):
                into[at : at + len(piece)] = piece
                at += len(piece)
            return b""

        if into:
            self._ranged(key, offset, len(into), fill)

    def _ranged(self, key: str, offset: int, size: int, read: Read) -> bytes:
        def check(answer: Mapping[str, Any]) -> None:
            given = str(answer.get("ContentRange") or "the whole object")
            if answer["ContentLength"] != size or not given.startswith(f"bytes {offset}-"):
                raise Corrupt(
                    f"{self.url}/{key}: wanted {size} bytes from {offset}, was given {given}"
                )

        return self._fetch(key, check, read, Range=f"bytes={offset}-{offset + size - 1}").data

    def head(self, key: str) -> ObjectInfo | None:
        try:
            with self._translated("GetObject", key):
                facts = self._clients()[0].head_object(
                    Key=self._location.full_key(key), **self._common
                )
        except ObjectMissing:
            return None
        return _info(key, facts, facts["ContentLength"])

    def put(self, key: str, data: bytes) -> str:
        return self._put(self._clients()[0], key, data, {})

    def put_if_absent(self, key: str, data: bytes) -> str:
        return self._put(self._clients()[1], key, data, {"IfNoneMatch": "*"})

    def put_if_match(self, key: str, data: bytes, etag: str) -> str:
        try:
            return self._put(self._clients()[1], key, data, {"IfMatch": etag})
        except ObjectMissing as error:
            raise PreconditionFailed(f"{self.url}/{key} does not exist any more") from error

    def delete(self, key: str) -> None:
        with contextlib.suppress(ObjectMissing), self._translated("DeleteObject", key):
            self._clients()[0].delete_object(Key=self._location.full_key(key), **self._common)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Gathered and sorted: some stores (SeaweedFS) list by directory, not by whole key."""
        full = self._location.full_prefix(prefix)
        length = len(full) - len(prefix)
        with self._translated("ListBucket", prefix):
            pages = (
                self._clients()[0]
                .get_paginator("list_objects_v2")
                .paginate(Prefix=full, **self._common)
            )
            found = [
                _info(str(facts["Key"])[length:], facts, facts["Size"])
                for page in pages
                for facts in page.get("Contents", ())
            ]
        yield from sorted(found, key=lambda info: info.key)

    def now(self) -> float:
        return self._clock.now()

    def settings(self) -> BucketSettings:
        """What the bucket is set to. Raises no error of ours: they are among the answers."""
        return BucketSettings({action: self._setting(action) for action in CALLS})

    def takers(self) -> tuple[str, ...]:
        """Rules of the bucket that would take our objects away (`snapshotter.lifecycle`).

        Raises StoreAccessDenied; StoreRefused where the store knows no rules.
        """
        answer = self._setting("GetLifecycleConfiguration")
        if isinstance(answer, SnapshotError):
            raise answer
        return takers(answer.get("Rules", ()), self._location.prefix)

    def _setting(self, action: str) -> Answer:
        try:
            with self._translated(action, ""):
                answer: Answer = getattr(self._clients()[0], CALLS[action])(**self._common)
                return answer
        except ObjectMissing:
            return {}
        except SnapshotError as error:
            return error

    def _clients(self) -> tuple[Any, Any]:
        """The client that retries and the one that does not."""
        clients = self._connected
        if clients is None:
            with self._translated(OPEN, ""):
                clients = self._connected = self._connect()
        return clients

    def _connect(self) -> tuple[Any, Any]:
        params = self._params
        identity = AwsParams(
            region=params.region,
            auth=params.auth,
            access_key_id=params.key,
            secret_access_key=params.secret,
            session_token=params.session_token,
            endpoint_url=params.endpoint,
        )
        # A store behind an address of its own has no host name for each bucket.
        style = {"addressing_style": "path" if params.endpoint else "auto"}
        client, once = make_clients(
            "s3",
            identity,
            {"s3": style},
            {"s3": style, "retries": {"mode": "standard", "total_max_attempts": 1}},
        )
        self._clock.attach(client)
        self._clock.attach(once)
        return client, once

    def _put(self, client: Any, key: str, data: bytes, condition: Mapping[str, str]) -> str:
        if not self._is_tried:
            self._send(self._clients()[0], _SCRATCH, b"", {})
            self._is_tried = True
        return self._send(client, key, data, condition)

    def _send(self, client: Any, key: str, data: bytes, condition: Mapping[str, str]) -> str:
        with self._translated("PutObject", key):
            answer = client.put_object(
                Key=self._location.full_key(key),
                # As a stream it goes out in pieces, each with a time-out; bytes would be one send
                # that has to be over within the time-out for connecting.
                Body=io.BytesIO(data),
                **condition,
                **self._encryption.arguments,
                **self._common,
            )
        self.encrypted_as = self._encryption.check(answer, f"{self.url}/{key}")
        return str(answer["ETag"])

    def _fetch(self, key: str, check: Check, read: Read, **arguments: str) -> StoredObject:
        """One object or range; `check` judges the answer's head before `read` takes the body.

        botocore's retries end with the head, so a body that breaks off is asked for again here. Its
        time-out is for each piece that arrives, so one for all of the body is kept here.
        """
        full, began = self._location.full_key(key), time.monotonic()
        action = "GetObjectVersion" if "VersionId" in arguments else "GetObject"
        for attempt in range(1, _BODY_TRIES + 1):
            with self._translated(action, key):
                answer = self._clients()[0].get_object(Key=full, **arguments, **self._common)
                with contextlib.closing(answer["Body"]) as body:
                    check(answer)
                    ends = began + self.patience_seconds + answer["ContentLength"] / _SLOWEST
                    try:
                        with ended_at(ends, body):
                            data = read(body)  # which checks the announced length itself
                    except Exception:
                        if attempt == _BODY_TRIES or time.monotonic() >= ends:
                            raise
                        continue
                return StoredObject(data, str(answer["ETag"]))
        raise AssertionError  # the loop returns or raises

    @contextlib.contextmanager
    def _translated(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except SnapshotError:
            raise
        except Exception as error:
            translated = translate(error, action, self._location, key)
            if isinstance(translated, StoreAccessDenied):
                self._connected = None  # credentials that were renewed since must be found
                faults = chain_faults(AwsParams(auth=self._params.auth))
                translated.hint = "; ".join((translated.hint, *faults))
            raise translated from error


def _all(body: Any) -> bytes:
    data: bytes = body.read()
    return data


def _info(key: str, facts: Mapping[str, Any], size: int) -> ObjectInfo:
    modified_at = facts["LastModified"].timestamp()
    return ObjectInfo(key, int(size), str(facts["ETag"]), modified_at, facts.get("Expiration"))
