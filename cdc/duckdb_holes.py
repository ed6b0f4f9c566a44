"""Gives the free blocks of a DuckDB file back to the file system, while the file is in use.

Base is sorted into a copy of itself, so about half of the file is free afterwards, scattered over
all of it; the engine reuses free blocks and shortens a file only where they are its end. A copy
into a fresh file would be a second upload and a switch. Instead the blocks become holes: the file
is as long as before and takes no more of the disk than what it holds; nothing is moved, so that a
snapshot is as small as without it.

Free is what neither table nor metadata refers to, right behind a checkpoint that left no log, with
nobody writing, and only if the engine counts as many blocks. It needs to be asked for
(`cdc.accelerator.Layout.gives_back`); where the file system cannot do it, nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator

from cdc.duckdb_blocks import PREAMBLE
from cdc.duckdb_file import Database
from cdc.holes import punched

# Less is not worth the question which blocks are free: commits wait for it, 0.03 s for each million
# rows. Most is given back at once behind a sort, so it is asked about once for each.
LEAST_BYTES = 64 * 1024 * 1024
_LEAST_SHARE = 4


def checkpoint(database: Database, *, gives_back: bool) -> bool:
    """`database.checkpoint()`, and what is free behind it is given back if that is asked for."""
    is_moved = database.checkpoint()
    if is_moved and gives_back:
        give_back(database)
    return is_moved


def give_back(database: Database) -> int:
    """Bytes of the disk that were given back. Nobody may write or be frozen; the log is empty."""
    main = database.main
    before = main.disk_bytes()
    header = main.header()
    least = used_count(database) * header.block_size
    if before - PREAMBLE - least < max(LEAST_BYTES, before // _LEAST_SHARE):
        return 0
    used = database.used_blocks({})
    if used is None or database.wal_bytes():
        return 0
    for first, last in _runs(used, header.block_count):
        offset = PREAMBLE + first * header.block_size
        if not punched(main.descriptor, offset, (last - first) * header.block_size):
            return 0
    return max(0, before - main.disk_bytes())


def used_count(database: Database) -> int:
    """How many blocks the engine says are used; quicker than which."""
    with database.cursor() as cursor:
        ((count,),) = cursor.execute(
            "SELECT used_blocks FROM pragma_database_size() WHERE database_name = 'db'"
        ).fetchall()
    return int(count)


def _runs(used: frozenset[int], count: int) -> Iterator[tuple[int, int]]:
    """First and last + 1 of each run of blocks that are not used."""
    first = 0
    for block in (*sorted(used), count):
        if block > first:
            yield first, block
        first = block + 1
