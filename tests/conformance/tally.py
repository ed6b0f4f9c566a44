"""Which stories were played, by their numbers, printed at the end of a run."""

from collections import defaultdict

import pytest

from tests.conformance.story import ELSEWHERE, ROWS, RULES

KEY = "conformance"
TITLES = {**ROWS, **RULES}


class StoryTally:
    """Gathers what tests put into their reports, which workers hand over too."""

    def __init__(self) -> None:
        self._played: defaultdict[str, list[str]] = defaultdict(list)
        self._failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for key, value in report.user_properties:
            if key == KEY:
                place, _, story = str(value).partition(": ")
                numbers, _, name = story.partition("-")
                told = name.replace("_", " ") + f" [{place}]"
                if not report.passed:
                    self._failed.add(told)
                for number in numbers.split("+"):
                    self._played[number].append(told)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._played:
            return
        terminalreporter.section("stories of a stream, by number")
        for number, title in TITLES.items():
            for told in self._played[number] or ["not played in this run"]:
                is_red = told in self._failed
                how = "FAILED " if is_red else ""
                terminalreporter.write_line(f"{number:5} {title}: {how}{told}", red=is_red)
            for test in ELSEWHERE.get(number, ()):
                terminalreporter.write_line(f"{number:5} {title}: whole nodes in {test}")
