"""The connections of a DuckDB file."""

import contextlib
import threading
from pathlib import Path

import duckdb

from cdc.duckdb_file import Database

_TURNS = 12  # without the lock half of them fail


def test_a_file_closes_while_threads_open_cursors(tmp_path: Path) -> None:
    for turn in range(_TURNS):
        database = Database(tmp_path / f"{turn}.db", exists=False)
        begun = threading.Barrier(4)

        def open_cursors(database: Database = database, begun: threading.Barrier = begun) -> None:
            begun.wait()
            with contextlib.suppress(duckdb.ConnectionException, duckdb.InterruptException):
                while True:
                    database._drop(database._new_cursor())

        threads = [threading.Thread(target=open_cursors) for _ in range(3)]
        for thread in threads:
            thread.start()
        begun.wait()
        database.close()
        for thread in threads:
            thread.join()

        Database(database.path, exists=True).close()  # nothing holds the file
