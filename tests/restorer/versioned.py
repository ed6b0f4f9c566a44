"""Versioned buckets of moto and SeaweedFS, what was published there, and who then came by."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from snapshotter.location import StoreParams
from snapshotter.store import ObjectStore
from snapshotter.stores import open_past_store, open_store


@dataclass(frozen=True)
class Versioned:
    """A bucket that keeps versions; `s3` is a client that may do everything."""

    s3: Any
    name: str
    params: StoreParams

    @property
    def location(self) -> str:
        return f"s3://{self.name}/prefix"

    def store(self) -> ObjectStore:
        return open_store(self.location, self.params)

    def past(self, as_of: float) -> ObjectStore:
        return open_past_store(self.location, self.params, as_of)

    def keys(self, part: str = "") -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [each["Key"] for each in listed if part in each["Key"]]

    def next_second(self) -> float:
        """A time behind all that is stored and before all else: versions have whole seconds."""
        newest: float = max(
            each["LastModified"].timestamp()
            for each in self.s3.list_object_versions(Bucket=self.name)["Versions"]
        )
        while time.time() < newest + 1.1:
            time.sleep(0.05)
        return newest + 0.5

    def overwrite(self, part: str) -> None:
        for key in self.keys(part):
            self.s3.put_object(Bucket=self.name, Key=key, Body=b"pay 3 bitcoin")

    def delete(self, part: str = "") -> None:
        for key in self.keys(part):
            self.s3.delete_object(Bucket=self.name, Key=key)


def versioned(server: Any, s3: Any, name: str) -> Versioned:
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    params = StoreParams(
        auth="key",
        key=server.access_key,
        secret=server.secret_key,
        region=server.region,
        endpoint=server.endpoint_url,
    )
    return Versioned(s3, name, params)


def rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
