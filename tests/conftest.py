"""What every test gets: an environment without the cloud, fixtures of real servers, a tally."""

import os
from collections.abc import Callable

import pytest
from hypothesis import settings

from tests.conformance.consumer import OURS
from tests.conformance.tally import StoryTally
from tests.crash.tally import KillTally
from tests.servers.fault_tally import FaultTally, Injected
from tests.servers.fixtures import (
    dynamodb_local,
    dynamodb_local_faketime,
    dynamodb_local_moving,
    dynamodb_local_moving_server,
    dynamodb_local_server,
    kinesalite,
    kinesalite_server,
    moto_server,
    seaweedfs,
)
from tests.servers.process import FOREIGN_VARIABLES
from tests.servers.tally import ServerTally

__all__ = [
    "dynamodb_local",
    "dynamodb_local_faketime",
    "dynamodb_local_moving",
    "dynamodb_local_moving_server",
    "dynamodb_local_server",
    "kinesalite",
    "kinesalite_server",
    "moto_server",
    "seaweedfs",
]

# A CA bundle, endpoint or profile meant for the real cloud breaks clients on loopback.
for _name in FOREIGN_VARIABLES:
    os.environ.pop(_name, None)
# Behind a proxy, loopback is still reached directly; the tests marked network need the proxy.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
# Tests give credentials by hand; nothing may look for an instance's.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.devnull
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

# A busy machine is slow, not wrong: hypothesis' own time limit fails tests that are right.
settings.register_profile("house", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("house"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")


@pytest.fixture
def injected(record_property: Callable[[str, object], None]) -> Injected:
    """Counts faults for the table at the end of a run."""
    return Injected(record_property)


# Whose files take minutes, the longest first: begun last, one of them is waited for by all. The
# soak's minute is begun with the first of them, because it waits where they work.
_LONG = ("tests/crash/", "tests/soak/", "tests/e2e/")
_GIVES_WAY = 5  # a third of the processor time that a crash test gets


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the tests marked soak, only those")
    help_ = "package.module:Name of another consumer for tests/conformance, see its README"
    parser.addoption("--consumer", default=OURS, help=help_)
    parser.addoption("--full", action="store_true", help="all flights in tests/e2e, not a slice")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ServerTally(config), "server-tally")
    config.pluginmanager.register(KillTally(), "kill-tally")
    config.pluginmanager.register(FaultTally(), "fault-tally")
    config.pluginmanager.register(StoryTally(), "story-tally")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soak tests run on request only; as a deselection, so that they are not counted as skips.

    Workers take files in the order of the tests.
    """
    wants_soak = bool(config.getoption("--soak"))
    kept = [item for item in items if bool(item.get_closest_marker("soak")) is wants_soak]
    dropped = [item for item in items if item not in set(kept)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept
    items.sort(key=_begins)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Beside the crash tests, whose files are the longest, the others give way."""
    is_beside = "PYTEST_XDIST_WORKER" in os.environ and not item.nodeid.startswith(_LONG[0])
    if is_beside and os.getpriority(os.PRIO_PROCESS, 0) == 0:
        os.setpriority(os.PRIO_PROCESS, 0, _GIVES_WAY)


def _begins(item: pytest.Item) -> int:
    return next(
        (at for at, folder in enumerate(_LONG) if item.nodeid.startswith(folder)), len(_LONG)
    )
