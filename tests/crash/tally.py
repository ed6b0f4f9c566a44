"""How many kills landed in each phase, printed at the end of a run."""

from collections import Counter

import pytest

KEY = "crash-kills"


class KillTally:
    """Sums what tests put into their reports, which workers hand over too."""

    def __init__(self) -> None:
        self._kills: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for key, value in report.user_properties:
            if key == KEY:
                story, _, kills = str(value).rpartition(": ")
                self._kills[story] += int(kills)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._kills:
            terminalreporter.section("kill -9 landed")
            counts = [f"{story}: {kills}" for story, kills in self._kills.items()]
            terminalreporter.write_line("; ".join(counts))
