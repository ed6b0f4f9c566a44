"""Who copies whole files, and litestream: what others do to get a live file into a bucket.

The whole copy is kind: a compact file that nobody writes meanwhile, compressed (zstd -3, all cores)
and sent by s5cmd. Litestream follows a SQLite file in which the same rows are updated by the same
`apply`; each of its figures is one `replicate -once`, from its start to its end, after which all
that was committed lies in the bucket.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.kit.bucket import Files, Place, new_prefix
from benchmarks.kit.child import measured
from benchmarks.kit.copies import copied
from benchmarks.kit.programs import call, litestream_settings
from benchmarks.sides.snapshot_snowmelt import BATCH_ROWS
from benchmarks.workload import rows
from benchmarks.workload.content import DATASET
from benchmarks.workload.packed import compress
from cdc.engines import open_accelerator

Figures = dict[str, float]


def whole_copy(params: dict[str, Any]) -> dict[str, Any]:
    """Compress the file, send it."""
    place: Place = params["place"]
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        packed = Path(directory) / "packed"
        key = f"{new_prefix()}.zst"
        with measured() as span:
            compress(Path(params["compact"]), packed)
            if params["s5cmd"] is None:
                Files(place).upload(packed, key)
            else:
                remote = f"s3://{place['root']}/{key}"
                command = [params["s5cmd"], "--endpoint-url", place["endpoint"], "cp"]
                call([*command, str(packed), remote], place)
        size = packed.stat().st_size
        Files(place).delete(key)
    return span.metrics(uploaded_bytes=size)


def litestream(params: dict[str, Any]) -> dict[str, Any]:
    """A first copy of everything, then what each share of updates costs."""
    place, total, prefix = params["place"], params["rows"], new_prefix()
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = copied(params["live"], Path(directory) / "live")
        settings = Path(directory) / "litestream.yml"
        settings.write_text(litestream_settings(path, place, prefix))
        command = [params["litestream"], "replicate", "-once", "-config", str(settings)]
        files = Files(place)
        with closing(open_accelerator("sqlite", path, DATASET)) as accelerator:
            told = {"full": _replicated(command, place, files, prefix)}
            current = accelerator.checkpoint()
            assert current is not None
            for revision, (share, count) in enumerate(params["changed"].items(), start=2):
                for batch in rows.changes(total, count, revision=revision, batch_rows=BATCH_ROWS):
                    current = current.next()
                    accelerator.apply(batch, current)  # its log is litestream's to move
                told[share] = _replicated(command, place, files, prefix)
    return told


def _replicated(command: list[str], place: Place, files: Files, prefix: str) -> Figures:
    before = files.sizes(prefix)
    with measured() as span:
        call(command, place)
    after = files.sizes(prefix)
    new = sum(size for key, size in after.items() if before.get(key) != size)
    return span.metrics(uploaded_bytes=new)
