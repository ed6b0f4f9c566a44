"""Count what passed on real servers, say it, and in CI refuse a full run with too few.

A suite that ran nothing must not look green: a skipped server test is one that proved nothing.
"""

from collections import Counter

import pytest
from _pytest.config import Config

from tests.servers.availability import servers_required

# marker -> name for people, how many have to pass, and the fixtures whose use adds the marker
SERVERS = {
    "seaweedfs": ("SeaweedFS", 15, {"seaweedfs"}),
    "dynamodb_local": (
        "DynamoDB Local",
        15,
        {"dynamodb_local_server", "dynamodb_local_faketime", "dynamodb_local_moving_server"},
    ),
    "kinesalite": ("kinesalite", 15, {"kinesalite_server"}),
}
_KEY = "real-server"


def is_full_run(config: Config) -> bool:
    """True where nobody asked for a part by path, -k, -m or a flag."""
    by_paths = config.args_source is Config.ArgsSource.ARGS
    flags = ("keyword", "markexpr", "lf", "last_failed", "collectonly", "deselect", "soak")
    return not by_paths and not any(config.getoption(flag, default=None) for flag in flags)


class ServerTally:
    """Marks tests by the fixtures they use, and counts their outcomes per server."""

    def __init__(self, config: Config) -> None:
        # A worker sees its share only; the process that leads them hears of every test.
        is_worker = hasattr(config, "workerinput")
        self._judges = servers_required() and is_full_run(config) and not is_worker
        self._passed: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()

    @pytest.hookimpl(tryfirst=True)  # before -m selects by marker
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            used = set(getattr(item, "fixturenames", ()))
            for marker, (_, _, fixtures) in SERVERS.items():
                if used & fixtures or item.get_closest_marker(marker):
                    item.add_marker(marker)
                    item.user_properties.append((_KEY, marker))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for key, marker in report.user_properties:
            if key != _KEY:
                continue
            if report.skipped and not hasattr(report, "wasxfail"):  # an expected failure did run
                self._skipped[str(marker)] += 1
            elif report.when == "call" and report.passed:
                self._passed[str(marker)] += 1

    def complaints(self) -> list[str]:
        """Why the session fails, empty where it does not or where nobody judges."""
        found: list[str] = []
        if not self._judges:
            return found
        for marker, (name, least, _) in SERVERS.items():
            if self._passed[marker] < least:
                count = self._passed[marker]
                found.append(f"only {count} tests passed on {name}, {least} wanted")
            if self._skipped[marker]:
                found.append(f"{self._skipped[marker]} tests on {name} were skipped")
        return found

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.complaints() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        counts = [f"{name}: {self._passed[m]} tests passed" for m, (name, _, _) in SERVERS.items()]
        terminalreporter.section("real servers")
        terminalreporter.write_line("; ".join(counts))
        for complaint in self.complaints():
            terminalreporter.write_line(complaint, red=True)
