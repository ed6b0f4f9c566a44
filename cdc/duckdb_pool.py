"""Lets go of what the engine's buffer pool remembers of buffers that are no more.

Each buffer that is put down leaves a node in one of the pool's queues, and a node keeps 200 bytes
even when its buffer is gone. A queue is looked through only once it has 32,768 of them, and the
join by which a commit finds older changes fills five besides those of blocks and of buffers, the
last of them in an hour: 50 MB, and half as much between them that is free and cannot be used.

The pool also looks through all of them when it has to let buffers go. That is brought about behind
a checkpoint, when nothing has to be written for it: the engine is asked for a limit of memory that
it cannot keep to, because an unread result holds more, and refuses. Then it is asked for its usual
limit, which also gives free memory back to the system. Price: blocks of the file that were cached
are read again, so this is done only if what is dead weighs much against them; a file whose blocks
take a lot of memory may keep its 50 MB.
"""

from __future__ import annotations

from contextlib import suppress

import duckdb

from cdc.duckdb_file import Database

# 7 MB of them, which a stream of ten commits a second leaves in half a minute.
LEAST_NODES = 32_768
_NODE_BYTES = 200
CACHED_BYTES_OF_ONE = 8
_CHECKPOINTS_OF_A_LOOK = 8
_HELD = (
    "SELECT (SELECT sum(approximate_size) FROM duckdb_eviction_queues()),"
    " (SELECT sum(memory_usage_bytes) FROM duckdb_memory())"
)
# One value of 8 MB, more than the limit.
_HOLD = "SELECT list(range) FROM range(262144)"
_TOO_LITTLE = "SET memory_limit = '1MB'"


class Pool:
    """The buffer pool of one file; used by who holds the gate's `upkeep` and `writing`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checkpoints = 0

    def checkpointed(self) -> None:
        """Let go of what is dead if there is much of it; now and then there is a look."""
        self._checkpoints += 1
        if self._checkpoints % _CHECKPOINTS_OF_A_LOOK == 0 and self._is_due():
            self._let_go()

    def _is_due(self) -> bool:
        ((nodes, cached),) = self._database.writer.execute(_HELD).fetchall()
        dead_bytes = nodes * _NODE_BYTES
        return bool(nodes >= LEAST_NODES and dead_bytes * CACHED_BYTES_OF_ONE >= cached)

    def _let_go(self) -> None:
        writer = self._database.writer
        with self._database.alone() as cursor:
            if cursor is None:
                return  # a query is running: its own buffers would be written to disk
            try:
                with suppress(duckdb.Error):
                    cursor.execute(_HOLD)
                    writer.execute(_TOO_LITTLE)
            finally:
                cursor.close()
                writer.execute(self._database.usual_limit)
