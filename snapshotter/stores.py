"""From a location to a store: the one place that knows which scheme is kept by which module.

SDKs are heavy, so a module is imported when its scheme is asked for.
"""

from __future__ import annotations

from snapshotter.errors import StoreRefused
from snapshotter.location import StoreParams, parse_location
from snapshotter.probe import ProbeCheck, ProbeResult, probe
from snapshotter.store import ObjectStore

__all__ = ["ProbeCheck", "ProbeResult", "StoreParams", "open_store", "probe"]

_SCHEMES = "s3, file, memory, gs, gcs, abfs, abfss"


def open_store(url: str, params: StoreParams) -> ObjectStore:
    """The store at a location; no request is sent yet. Raises StoreRefused."""
    location = parse_location(url)
    if params.auth == "key" and not (params.key and params.secret):
        raise StoreRefused(
            f"{location.url}: s3_auth is key, but s3_key or s3_secret is missing",
            hint="give both, or use s3_auth: iam_role",
        )
    match location.scheme:
        case "s3":
            from snapshotter.s3_store import S3Store

            return S3Store(location, params)
        case "file":
            from snapshotter.file_store import FileStore

            return FileStore(location)
        case "memory" | "gs" | "gcs" | "abfs" | "abfss":
            from snapshotter.fsspec_store import FsspecStore

            return FsspecStore(location)
    raise StoreRefused(f"unknown scheme in {location.url}", hint=f"use one of {_SCHEMES}")


def open_past_store(url: str, params: StoreParams, as_of: float) -> ObjectStore:
    """A versioned bucket as it was at an instant, to be read. Raises StoreRefused."""
    from snapshotter.s3_past import PastStore

    location = parse_location(url)
    if location.scheme != "s3":
        raise StoreRefused(
            f"{location.url} keeps no versions", hint="--as-of reads a versioned S3 bucket"
        )
    return PastStore(location, params, as_of)
