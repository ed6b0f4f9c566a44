"""Restore a snapshot without Snowmelt, from a copy of the bucket in a directory.

    python reference_reader.py BUCKET_DIRECTORY DATASET TARGET_FILE [SNAPSHOT_ID]

It is docs/format.md once more, as short as it can be: every byte is checked before it is used, and
nothing is made fast. A test restores files of both engines with it. Needs blake3 and zstandard.
"""  # noqa: INP001 - a document that runs

import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blake3
import zstandard

ENTRY = struct.Struct("<BBHIQII32s")  # kind codec slot pack offset stored raw digest


def check(data: bytes, algorithm: str, expected: str, what: str) -> bytes:
    found = blake3.blake3(data) if algorithm == "blake3" else hashlib.sha256(data)
    if found.hexdigest() != expected:
        raise ValueError(f"{what} is damaged")
    return data


def sealed(path: Path) -> dict[str, Any]:
    data = path.read_bytes()  # {"blake3":"<64 hex>",rest
    check(data[77:], data[2:8].decode(), data[11:75].decode(), path.name)
    return dict(json.loads(b"{" + data[77:]))


def cut(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def entries(home: Path, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from page["catalog"]
    if page["older"] is not None:
        yield from entries(home, sealed(home / "catalog" / f"{page['older']}.json"))


def restore(bucket: Path, dataset: str, target: Path, snapshot: str | None = None) -> None:
    home = bucket / dataset
    pointer = sealed(home / "head.json")
    if pointer["bucket_id"] != sealed(home / "bucket.json")["bucket_id"] or pointer["format"] != 1:
        raise ValueError("a pointer of another bucket or format")
    wanted = snapshot or pointer["current"]
    entry = next(one for one in entries(home, pointer) if one["snapshot_id"] == wanted)
    head = cut(home / "snapshots" / wanted / "manifest", 0, 16 + entry["header_length"])
    check(head, *entry["header_digest"].split(":"), "header")
    if head[:12] != b"SNOWMELT" + struct.pack("<HH", 1, 0):
        raise ValueError("a manifest of another format")
    header = json.loads(head[16:])
    for part in header["parts"]:
        log = {"duckdb": ".wal", "sqlite": "-wal"}[header["engine"]]
        with Path(f"{target}{log if part['name'] == 'tail' else ''}").open("xb") as file:
            restore_part(home, header, part, file)


def restore_part(home: Path, header: dict[str, Any], part: dict[str, Any], file: Any) -> None:
    file.truncate(part["length"])  # holes stay zero
    algorithm, size, entries = header["digest_algorithm"], part["block_size"], bytearray()
    for manifest, offset, frames, expected in part["segments"]:
        count = min(part["segment_entries"], part["block_count"] - len(entries) // ENTRY.size)
        path = home / "snapshots" / header["manifests"][manifest] / "manifest"
        segment = cut(path, offset, count * ENTRY.size + frames * 32)
        entries += check(segment, algorithm, expected, "map")[: count * ENTRY.size]
    check(b"".join(e[7] for e in ENTRY.iter_unpack(entries)), algorithm, part["root"], "map")
    at = 0
    for number, entry in enumerate(ENTRY.iter_unpack(entries)):
        kind, codec, slot, pack, offset, stored, raw, expected = entry
        length = part["preamble"] if number == 0 and part["preamble"] else size
        length = min(length, part["length"] - at)
        if kind == 1:
            name = header["packs"][pack]
            spread = hashlib.sha256(name.encode()).hexdigest()[0]
            frame = cut(home / "packs" / spread / f"{name}.pack", offset, stored)
            if codec == 1:
                frame = zstandard.ZstdDecompressor().decompress(frame, max_output_size=raw)
            block = frame[slot * size : slot * size + length]
            file.seek(at)
            file.write(check(block, algorithm, expected.hex(), f"{part['name']} block {number}"))
        at += length


if __name__ == "__main__":
    restore(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
