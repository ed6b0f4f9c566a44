"""Lives of a node that dies at gates: what it goes through, and what must be true afterwards.

A life is a story told to a node, bootstrap, changes or restore. Told without a gate it says which
gates it passes; told with some, the node dies at the first, is started again, the story goes on,
and it dies at the next. Then the file must equal the table, the audit must have every record once,
and the service's and the store's own records must show that the node resumed each time instead of
beginning again.
"""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cdc.keys import Item
from cdc.rebuild import canonical_item
from snowmelt.errors import NodeError
from tests.crash.audit import Committed, committed
from tests.crash.lives import PATIENCE_SECONDS, Bench, Gate
from tests.crash.nodes import MortalNode
from tests.e2e.nodes import Key, differences
from tests.simulators.stream import Served

_WAIT_SECONDS = 0.03
_WRITES_BLOCKS = "restorer.part_file:PartFile.write.pwritev"


@dataclass(frozen=True)
class Death:
    """`calls`: how many the service had answered. `committed`: what the file held."""

    calls: int
    committed: frozenset[Committed]


class Told:
    """One life of a node: a story whose steps survive its death."""

    def __init__(self, bench: Bench, node: MortalNode, gates: Sequence[Gate]) -> None:
        self.bench = bench
        self.node = node
        self.deaths: list[Death] = []
        self.on_death: Callable[[], object] = lambda: None
        self._gates = [*gates, Gate()]
        self._lines = len(list(node.passed()))
        self._newest = bench.newest_sequence()
        self._calls = len(bench.table.served)

    def begin(self) -> None:
        self._start()

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait, and start the node again if it died at its gate; each life has time of its own."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            if self._revive():
                end = time.monotonic() + PATIENCE_SECONDS
            try:
                if holds():
                    return
            except (NodeError, OSError):
                pass  # not up yet, or just killed
            assert self.node.runs or self.node.is_dead, self.node.with_log(f"ended before: {what}")
            assert time.monotonic() < end, self.node.with_log(f"waited in vain: {what}")
            time.sleep(_WAIT_SECONDS)

    def until_ready(self) -> None:
        self.until("ready", self.node.is_ready)

    def until_marked(self) -> None:
        """Write markers, and wait until the node has them, and so all that came before."""
        wanted = {key: self.bench.table.items[key] for key in self.bench.mark()}
        for key, item in wanted.items():
            form = canonical_item(item)

            def has_it(key: str = key, form: Any = form) -> bool:
                found = self.node.get([key])
                return found is not None and canonical_item(found) == form

            self.until(f"item {key}", has_it)

    def snapshot(self) -> None:
        """Publish on request, again if the node died meanwhile."""

        def published() -> bool:
            self.node.create_snapshot()
            return True

        self.until("a snapshot", published)

    def end(self) -> None:
        """SIGTERM; a node that died before, or dies while it ends, is started and ended again."""
        while True:
            if self._revive():
                self.until_ready()  # before it listens to signals, it would die of this one
            if (code := self.node.stop()) != -9:
                break
        assert code == 0, self.node.with_log(f"ended with {code}")

    def finish(self) -> None:
        """Markers arrive, and the node ends with all that a life must leave."""
        self.until_marked()
        self.end_whole()

    def end_whole(self) -> None:
        """It ends; its file is the table, and holds every record once."""
        self.end()
        self.assert_equal()
        self.assert_audit()

    def verb(self, *words: str) -> None:
        """Another verb, again each time that it died."""
        while (code := self._ended(words)) == -9:
            self._die(frozenset())
        assert code == 0, self.node.with_log(f"ended with {code}")

    def _ended(self, words: Sequence[str]) -> int:
        gate = self._gates[len(self.deaths)]
        return self.node.end_of(*words, at=gate.at, countdown=gate.countdown)

    def _start(self) -> None:
        gate = self._gates[len(self.deaths)]
        self.node.start(gate.at, gate.countdown)

    def _revive(self) -> bool:
        """True if it was dead."""
        is_dead = self.node.is_dead
        if is_dead:
            self._die(frozenset(self._committed_by_the_dead()))
            self._start()
        return is_dead

    def _die(self, committed: frozenset[Committed]) -> None:
        self.deaths.append(Death(len(self.bench.table.served), committed))
        without = self.node.with_log("died without a gate")
        assert len(self.deaths) < len(self._gates), without
        self.on_death()

    def _committed_by_the_dead(self) -> dict[Committed, list[int]]:
        # In a copy, because opening a file recovers it, which is what the next process has to do.
        if not self.node.path.exists():
            return {}
        copy = self.node.home / "dead"
        shutil.copytree(self.node.path.parent, copy)
        found = committed(copy / self.node.path.name)
        shutil.rmtree(copy)
        return found

    # ------------------------------------------------------------ what it did

    def gates(self) -> list[str]:
        """What it passed in this life, in order."""
        return list(self.node.passed())[self._lines :]

    def calls(self, action: str, since: int | None = None) -> list[Served]:
        """What it asked the service, and was given."""
        mine = self.bench.table.served[self._calls if since is None else since :]
        return [call for call in mine if call.action == action and not call.code]

    # ------------------------------------------------------------ what must be true

    def assert_equal(self) -> None:
        items = self.bench.table.items.items()
        wanted: dict[Key, Item] = {(key,): canonical_item(item) for key, item in items}
        assert differences(wanted, self.node.items()) == "", self.node.with_log("differs")

    def assert_audit(self) -> None:
        """Every record that went out to this node was committed, and none twice.

        Nothing that was committed before a death was read again, so at most the batch under way.
        """
        found = committed(self.node.path)
        twice = [record for record, versions in found.items() if len(versions) > 1]
        assert not twice, f"{len(twice)} records committed twice: {twice[:3]}"
        # Of what is older than this life, a bootstrap leaves to the scan what the scan is sure of.
        sent = {(shard, one) for shard, one in self._sent(self._calls) if int(one) > self._newest}
        lost = sent - found.keys()
        assert not lost, f"{len(lost)} records lost: {sorted(lost)[:3]}"
        for death in self.deaths:
            again = self._sent(death.calls) & death.committed
            assert not again, f"{len(again)} committed records read again: {sorted(again)[:3]}"

    def _sent(self, since: int) -> set[Committed]:
        return {
            (call.shard_id, sequence)
            for call in self.calls("GetRecords", since)
            for sequence in call.sequences
        }

    def assert_scanned_once(self) -> None:
        """At most one page of each segment was read again for a death, none behind the scan."""
        scans = self.calls("Scan")
        pages = Counter(
            (call.request["Segment"], str(call.request.get("ExclusiveStartKey"))) for call in scans
        )
        again = Counter(segment for (segment, _), times in pages.items() if times > 1)
        assert all(count <= len(self.deaths) for count in again.values()), again
        ended = self.node.events("scan_ended")
        if ended:
            end = datetime.fromisoformat(ended[0]["ts"]).timestamp()
            assert max(call.at for call in scans) < end
        else:  # it died behind the commit that ended the scan, before it could say so
            assert any(self.calls("Scan", death.calls) == [] for death in self.deaths)

    def assert_blocks_fetched_once(self) -> None:
        """No part of a pack was asked for twice, but for what was in flight at a death."""
        whole: list[tuple[str, int, int]] = []
        reads: list[tuple[str, int, int]] = []
        for word, *rest in (line.split() for line in self.gates()):
            if word == "read" and "/packs/" in rest[0]:
                reads.append((rest[0], int(rest[1]), int(rest[2])))
            elif word == "killed" and rest == ["before", _WRITES_BLOCKS]:
                reads = []
        whole += reads
        assert whole, "nothing was fetched"
        assert len(whole) == len(set(whole)), whole
