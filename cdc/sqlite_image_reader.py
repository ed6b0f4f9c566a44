"""Reads a frozen image of SQLite: a process of its own, with nothing but the standard library.

    python -I -S sqlite_image_reader.py IMAGE [log] [everything]

Prints one JSON object: checkpoint, columns, rows; or trouble. It ends without closing the file:
what SQLite does at the last closing is not for a reader of somebody else's file.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from typing import Any
from urllib.parse import quote

_STATE = (
    "SELECT checkpoint, (SELECT shards FROM _snowmelt_finished), row_count"
    " FROM _snowmelt_checkpoint"
)
_COLUMNS = "SELECT name, kind, scale FROM _snowmelt_columns ORDER BY ordinal"
_COUNT = "SELECT count(*) FROM _snowmelt_rows"


def found(image: str, *, has_log: bool, everything: bool) -> dict[str, Any]:
    """What the image holds. A file without a log is read as it lies there."""
    options = "mode=ro" if has_log else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"file:{quote(image)}?{options}", uri=True, isolation_level=None)
    try:
        ((checkpoint, finished, rows),) = connection.execute(_STATE).fetchall()
        columns = connection.execute(_COLUMNS).fetchall()
        if everything:
            ((verdict,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
            if verdict != "ok":
                return {"trouble": verdict}
            ((rows,),) = connection.execute(_COUNT).fetchall()
    except (sqlite3.Error, ValueError) as error:
        return {"trouble": str(error)}
    return {"checkpoint": [checkpoint, finished], "columns": columns, "rows": rows}


def main(arguments: list[str]) -> None:
    """See above."""
    image, *words = arguments
    answer = found(image, has_log="log" in words, everything="everything" in words)
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
