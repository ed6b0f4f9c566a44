"""How many faults tests injected, how many were refused, what was lost: a table after a run.

A test that counts faults and fails has lost something.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

import pytest

from tests.servers.proxy import FaultProxy

KEY = "faults"
RecordProperty = Callable[[str, object], None]


class Injected:
    """What a test counts: faults by kind, those that an error named, and what is lost by them."""

    def __init__(self, record: RecordProperty) -> None:
        self._record = record

    def add(self, fault: str, *, injected: int = 1, refused: int = 0, lost: int = 0) -> None:
        """`lost`: items, or damaged objects that were taken for whole."""
        self._record(KEY, f"{fault}: {injected} {refused} {lost}")

    def add_all(self, server: str, proxy: FaultProxy) -> None:
        """What a proxy before this server did to exchanges."""
        met = Counter(each.fault for each in proxy.exchanges if each.fault)
        for fault, times in met.items():
            self.add(f"{server}: {fault}", injected=times)


class FaultTally:
    """Sums what tests put into their reports, which workers hand over too."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when != "teardown":  # fixtures count, too
            return
        for key, value in report.user_properties:
            if key == KEY:
                fault, _, numbers = str(value).rpartition(": ")
                injected, refused, lost = map(int, numbers.split())
                lost = max(lost, report.nodeid in self._failed)
                self._counts[fault].update(injected=injected, refused=refused, lost=lost)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._counts:
            return
        terminalreporter.section("faults injected, and data lost")
        width = max(map(len, self._counts))
        line = "{:<" + str(width) + "} {:>9} {:>9} {:>6}"
        terminalreporter.write_line(line.format("fault", "injected", "refused", "lost"))
        for fault, counts in sorted(self._counts.items()):
            numbers = (counts[name] for name in ("injected", "refused", "lost"))
            terminalreporter.write_line(line.format(fault, *numbers))
