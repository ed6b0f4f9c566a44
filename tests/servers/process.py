"""Start a server, wait until it answers, and end it by its process id whatever happens."""

import atexit
import contextlib
import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Below the range Linux gives to outgoing connections (32768 and up), so that a port chosen here
# is not taken by somebody's client a moment later.
_PORTS = range(20_000, 32_000)
_given: set[int] = set()

# Settings for reaching the real cloud; a server or client on loopback stumbles over them.
FOREIGN_VARIABLES = (
    "AWS_CA_BUNDLE",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "TF_CLI_CONFIG_FILE",
)


class ServerDidNotStart(Exception):
    """The server ended, or did not answer in time; the message carries the end of its log."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different, and never the same ones twice.

    Each worker of a run has ports of its own: between this and the listening of the process that
    they are for, nobody else may choose them.
    """
    ports = _ports_of_this_worker()
    fresh = [port for port in ports if port not in _given] or ports
    chosen: list[int] = []
    with contextlib.ExitStack() as held:
        for port in random.Random().sample(fresh, len(fresh)):
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:  # taken: the next one
                continue
            chosen.append(port)
            if len(chosen) == count:
                _given.update(chosen)
                return chosen
    message = f"no {count} free ports"
    raise ServerDidNotStart(message)


def _ports_of_this_worker() -> list[int]:
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return list(_PORTS[number::count])


def http_status(url: str) -> int | None:
    """The status a GET is answered with, None where nobody answers yet."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http on loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, ValueError):  # refused, reset or half an answer: it is still starting
        return None


class ManagedProcess:
    """A child process in a session of its own, its output in a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        home: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = home / f"{name}.log"
        settings = {k: v for k, v in os.environ.items() if k not in FOREIGN_VARIABLES}
        with self.log.open("wb") as output:
            self._child = subprocess.Popen(
                command,
                cwd=home,
                env={**settings, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the tests; the fixtures end the server
            )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._child.poll() is not None:
                raise ServerDidNotStart(f"{self.name} ended at once:\n{self.tail()}")
            if ready():
                return
            time.sleep(0.1)
        self.stop()
        raise ServerDidNotStart(f"{self.name} was not ready after {seconds} s:\n{self.tail()}")

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """Ask nothing, wait for nothing: test data is worth no orderly shutdown."""
        atexit.unregister(self.stop)
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait(timeout=60)
