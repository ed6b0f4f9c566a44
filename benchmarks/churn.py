"""What snapshots upload over many hours: `python -m benchmarks.snapshot --hours 24`.

One document for each engine and for uniform and clustered keys: bytes uploaded, for bytes changed.
A changed row of SQLite is a changed page, however small it is, so the bound is on changed blocks;
the ratio to the bytes of the rows is printed beside it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

from benchmarks.kit import child, facts
from benchmarks.kit.command import notify

_ROWS = 200_000
_PER_SNAPSHOT = 400
_MOST_RATIO = 3.0
_KEYS = ("uniform", "clustered")


def churn(hours: float, engines: tuple[str, ...], rows: int | None, *, is_json: bool) -> None:
    """Run each side in a process of its own, print; ends with 1 beyond the bound."""
    is_ok = True
    with tempfile.TemporaryDirectory(prefix="snowmelt-churn-") as scratch:
        for engine in engines:
            for keys in _KEYS:
                notify(f"{engine}: {hours:g} hours, {keys} keys")
                document = _side(engine, keys, hours, rows or _ROWS, scratch)
                notify("")
                print(json.dumps(document) if is_json else _text(document), flush=True)
                is_ok &= document["content_ok"] and document["ratio_of_blocks"] <= _MOST_RATIO
    if not is_ok:
        sys.exit("snapshot: uploads beyond the bound, or another content")


def _side(engine: str, keys: str, hours: float, rows: int, scratch: str) -> dict[str, Any]:
    asked = {"engine": engine, "keys": keys, "hours": hours, "rows": rows, "scratch": scratch}
    per_snapshot = min(_PER_SNAPSHOT, rows)
    measured = child.run(
        "benchmarks.sides.snapshot_churn:run", {**asked, "per_snapshot": per_snapshot}
    )
    return {"benchmark": "snapshot churn", **measured, "machine": facts.machine()}


def _text(document: dict[str, Any]) -> str:
    mib = {name: document[name] / 2**20 for name in document if name.endswith("_bytes")}
    return (
        f"{document['engine']}, {document['keys']} keys, {document['hours']:g} hours: "
        f"{mib['uploaded_bytes']:.1f} MiB uploaded, {mib['changed_block_bytes']:.1f} MiB of blocks "
        f"changed ({document['ratio_of_blocks']}), {mib['changed_row_bytes']:.1f} MiB of rows "
        f"({document['ratio_of_rows']}); {document['packs_emptied']} packs emptied, "
        f"{document['packs']} needed at the end"
    )
