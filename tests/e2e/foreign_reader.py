"""Another program that reads an edge's file, by the contract of docs/edges.md and plain sqlite3.

    python foreign_reader.py PATH DATASET ro|immutable|kept

`kept` keeps its connection as long as the path is the same file; the others open one for each read.
Writes a line for each read, `MARK DIGEST`, or `error: …`; ends with its stdin.
"""

import hashlib
import select
import sqlite3
import sys
import time
from pathlib import Path
from urllib.parse import quote


def digest(rows: list[tuple[str, int]]) -> str:
    return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()[:32]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(path: str, dataset: str, how: str) -> None:
    more = "&immutable=1" if how == "immutable" else ""
    address = f"file:{quote(path)}?mode=ro{more}"
    kept: tuple[int, sqlite3.Connection] | None = None
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            if how == "kept" and kept is not None and kept[0] == Path(path).stat().st_ino:
                connection = kept[1]
            else:
                if kept is not None:
                    kept[1].close()
                # In this order: a file that takes its place in between is noticed the next time.
                file = Path(path).stat().st_ino
                connection = sqlite3.connect(address, uri=True)
                kept = (file, connection)
            rows = connection.execute(f'SELECT id, amount FROM "{dataset}"').fetchall()
            if how != "kept":
                connection.close()
                kept = None
            say(f"{dict(rows)['mark']} {digest(rows)}")
        except (sqlite3.Error, OSError) as error:
            say(f"error: {type(error).__name__}: {error}")
        time.sleep(0.02)


if __name__ == "__main__":
    main(*sys.argv[1:])
