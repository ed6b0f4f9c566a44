"""Folding a delta into base, and sorting base anew, in steps of a bounded number of rows.

Changes go to the active delta. When it is large the deltas change roles, in the transaction of a
batch, and the frozen one is moved into base by ranges of identities, a transaction each. So base
gets sorted runs; a lookup reads one row group of each, which is why base is sorted anew when half
of it came in by folds, or a quarter if that is many runs. Dead rows are left behind then, and a
snapshot shares no block with the one before, so it should not come often. It is a copy beside base,
by ranges as well; nothing is written to base meanwhile, and the copy takes its place in the end. A
process that dies leaves a copy that is given up when the file is opened, or a frozen delta with
fewer ranges.

That copy is also when columns get a wider type (`cdc.widening`).

What moves rows goes on beside commits, which touch the active delta alone. What gives a table
another role, name or type is alone, and short; it is never during a freeze.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import count

import duckdb

from cdc import duckdb_holes
from cdc import duckdb_sql as sql
from cdc import duckdb_state as states
from cdc.accelerator import Layout
from cdc.cleaning import Cleaning
from cdc.duckdb_file import Database
from cdc.duckdb_gate import Gate
from cdc.duckdb_pool import Pool
from cdc.duckdb_state import Held, State
from cdc.duckdb_widening import Wider, widening, wider_columns, with_wider
from cdc.errors import FileUnusable

# Rows that came to the active delta when it is frozen: a query reads both deltas besides base, and
# what was replaced goes on taking room there.
FOLD_ROWS = 100_000
# In so many runs a lookup finds its row in under 5 ms at the 99th percentile.
MANY_RUNS = 15
# Rows of a step, or fewer of large ones.
FOLD_STEP_ROWS = 25_000
SORT_STEP_ROWS = 100_000
# Of such a step many rows may have to be decoded, 20 µs each.
WIDEN_STEP_ROWS = 50_000
# Base in the order of the scan is read once for each step, so there are fewer.
FIRST_SORT_STEP_ROWS = 1_000_000
STEP_BYTES = 64 * 1024 * 1024
# One checkpoint of a log of this size stalls commits for under 0.1 s.
CHECKPOINT_WAL_BYTES = 4 * 1024 * 1024
# What a commit or a freeze may have to wait for where nothing was committed for a minute.
_IDLE_SECONDS = 0.5
_IDLE_STEPS = 8
_MOST_IDLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Step:
    """How many changes left the deltas. `is_last`: nothing was due."""

    folded_rows: int = 0
    is_last: bool = True


def swap_is_due(state: State) -> bool:
    """True if the active delta is to be frozen."""
    return state.is_scanned and state.written_rows >= FOLD_ROWS and not state.frozen_rows


class Upkeep:
    """The steps of one file; used by who holds the gate's `upkeep`."""

    def __init__(self, database: Database, gate: Gate, held: Held) -> None:
        self.layout = Layout()
        self.cleaning = Cleaning()
        self._database = database
        self._gate = gate
        self._held = held
        self._pool = Pool(database)
        # Columns that get a wider type with the copy of base that is being made.
        self._wider: Wider = {}
        # Identities below this one were moved, or copied.
        self._reached = 0
        self._sort_step_rows = 0

    @property
    def is_widening(self) -> bool:
        """True if the next run may change the type of columns."""
        return bool(self._wider)

    def run(self, *, idle: bool, behind_rows: int) -> Step:
        """One step, or several in idle times. Nobody may be frozen.

        `behind_rows`: changes since the last call; folding has to be faster than they come.
        """
        began = time.monotonic()
        folded = 0
        was_widening = self.is_widening
        for number in count(1):
            step = self._step(idle=idle, behind_rows=behind_rows)
            folded += step.folded_rows
            most = _IDLE_SECONDS if number >= _IDLE_STEPS else _MOST_IDLE_SECONDS
            is_spent = time.monotonic() - began > most
            begins_to_widen = self.is_widening and not was_widening
            if step.is_last or not idle or is_spent or begins_to_widen:
                return replace(step, folded_rows=folded)
        raise AssertionError  # the loop returns

    def checkpoint(self) -> bool:
        """Move the log into the main file, if that can be done now. Nobody may write."""
        is_done = duckdb_holes.checkpoint(self._database, gives_back=self.layout.gives_back)
        if is_done:
            self._pool.checkpointed()
            self.cleaning.passed("copied", "clean")
        return is_done

    def begin_anew(self) -> None:
        """After an error: ranges begin anew, which costs time and nothing else."""
        self._reached = 0
        self._wider = {}

    def _step(self, *, idle: bool, behind_rows: int) -> Step:
        state = self._held.state
        if not state.is_scanned:
            return Step()
        if state.is_sorting:
            self._sort()
            return Step(is_last=False)
        if state.frozen_rows:
            moved = self._fold(state, max(FOLD_STEP_ROWS, 2 * behind_rows))
            return Step(moved, is_last=False)
        is_asked = self.cleaning.stage == "asked"
        self.cleaning.passed("asked", "gathered")
        if state.active_rows and (idle or is_asked or swap_is_due(state)):
            self._swap()
            return Step(is_last=False)
        if self._sorting_is_due(state):
            self._begin_sorting(state)
            if not self.is_widening:
                self._sort()
            return Step(is_last=False)
        return Step()

    def _swap(self) -> None:
        with self._gate.writing():
            state = self._held.state
            if state.frozen_rows:
                return  # a commit was faster
            with self._database.begun() as cursor:
                new = states.swap(cursor, state)
                cursor.commit()
            self._held.state = new

    # ------------------------------------------------------------ folding

    def _fold(self, state: State, rows: int) -> int:
        budget = min(rows, self._rows_of_a_step(state))
        first = self._reached
        left = sql.IDENTITIES - first
        is_last = state.frozen_rows <= budget + budget // 2
        last = sql.IDENTITIES if is_last else first + left * budget // state.frozen_rows
        where = sql.between(first, last)
        if is_last:
            self._database.before_drop(sql.DELTAS[state.frozen])
        moved = 0
        with self._database.begun(self._database.mover) as cursor:
            for statement in sql.fold(state.columns, state.frozen, where):
                ((moved,),) = cursor.execute(statement).fetchall()
            unsorted = state.unsorted_rows + moved
            states.write_meta(cursor, {"unsorted_rows": str(unsorted)})
            cursor.commit()
        self._reached = last % sql.IDENTITIES
        left_rows = state.frozen_rows - moved
        with self._gate.writing():
            held = self._held
            if is_last:
                held.changed.clear(state.frozen)
            held.state = replace(held.state, unsorted_rows=unsorted, frozen_rows=left_rows)
        return moved

    # ------------------------------------------------------------ sorting

    def _sorting_is_due(self, state: State) -> bool:
        if state.settled and not state.unsorted_rows:
            self.cleaning.passed("gathered", "copied")
        if state.settled and self.cleaning.stage != "gathered":
            base = states.row_count(self._database.mover, sql.BASE)
            few_runs = min(base // 2, MANY_RUNS * FOLD_ROWS)
            if state.unsorted_rows <= max(FOLD_ROWS, base // 4, few_runs):
                return False
        # Base is written a second time before the first is given up.
        return self._database.has_room(self._database.main.size())

    def _begin_sorting(self, state: State) -> None:
        rows = SORT_STEP_ROWS if state.settled else FIRST_SORT_STEP_ROWS
        self._sort_step_rows = min(rows, self._rows_of_a_step(state))
        self._reached = 0
        self._wider = wider_columns(self._database.mover, state, self.layout)
        if self._wider:
            self._sort_step_rows = min(self._sort_step_rows, WIDEN_STEP_ROWS)
        columns = with_wider(state.columns, self._wider)
        with self._gate.writing():
            with self._database.begun() as cursor:
                cursor.execute(sql.GIVE_UP_SORTING)
                cursor.execute(sql.begin_sorting(columns))
                cursor.commit()
            self._held.state = replace(self._held.state, is_sorting=True)

    def _sort(self) -> None:
        state = self._held.state
        base = states.row_count(self._database.mover, sql.BASE)
        parts = max(1, -(-base // self._sort_step_rows))
        last = min(sql.IDENTITIES, self._reached + -(-sql.IDENTITIES // parts))
        where = sql.between(self._reached, last)
        if self._wider:
            tables = [(sql.BASE, sql.NEXT)]
            with (
                self._gate.writing(),
                widening(self._database, tables, state, self._wider, where),
            ):
                pass
        else:
            with self._database.begun(self._database.mover) as cursor:
                cursor.execute(sql.sort_range(state.columns, where))
                cursor.commit()
        self._reached = last
        if last == sql.IDENTITIES:
            self._database.before_drop(sql.BASE)
            with self._gate.writing():
                self._settle()

    def _settle(self) -> None:
        """The copy becomes base."""
        state, mover = self._held.state, self._database.mover
        copied, held = (states.row_count(mover, table) for table in (sql.NEXT, sql.BASE))
        if copied != held:
            raise FileUnusable(
                f"cannot sort {self._database.path}: {copied} of {held} rows were copied"
            )
        new = replace(state, settled=True, unsorted_rows=0, is_sorting=False)
        with self._widened_deltas(state) as cursor:
            for statement in sql.END_SORTING:
                cursor.execute(statement)
            states.write_meta(cursor, {"settled": "true", "unsorted_rows": "0"})
            if self._wider:
                new = replace(new, columns=with_wider(state.columns, self._wider))
                states.write_columns(cursor, state, new.columns)
            else:
                cursor.commit()
        self._held.state = new
        self.cleaning.passed("gathered", "copied")
        self._reached = 0
        self._wider = {}

    def _widened_deltas(self, state: State) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The transaction in which the copy becomes base: deltas get the types that it has."""
        if not self._wider:
            return self._database.begun()
        deltas = [(delta, f"{delta}_next") for delta in sql.DELTAS.values()]
        return widening(self._database, deltas, state, self._wider, "true")

    def _rows_of_a_step(self, state: State) -> int:
        held = states.row_count(self._database.mover, sql.BASE)
        held += state.active_rows + state.frozen_rows
        row_bytes = max(1, self._database.main.size() // max(1, held))
        return max(1, STEP_BYTES // row_bytes)
