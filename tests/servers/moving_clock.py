"""A DynamoDB Local whose clock a test moves: hours pass between two lines of it.

The clock only jumps, so what depends on age happens at once and exactly: iterators expire, items
reach their TTL, records are trimmed. Rollovers do not, they wait for a timer of the server; for
them there is the clock that runs fast (`dynamodb_local_faketime`).
"""

import dataclasses
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers.dynamodb_local import DynamoDBLocal, start_dynamodb_local

_NOTICED_SECONDS = 60


@dataclass(frozen=True)
class MovingClock:
    """The server and its clock, which never goes back. One for all tests: `alone()` for each."""

    server: DynamoDBLocal
    file: Path

    def alone(self) -> "MovingClock":
        """The same server and clock, with an empty database."""
        return dataclasses.replace(self, server=self.server.alone())

    def now(self) -> float:
        """The server's time, whole epoch seconds."""
        connection = HTTPConnection(urlsplit(self.server.endpoint_url).netloc, timeout=60)
        try:
            connection.request("GET", "/")  # refused, and dated
            date = connection.getresponse().headers["Date"]
        finally:
            connection.close()
        return parsedate_to_datetime(date).timestamp()

    def advance(self, *, hours: float) -> None:
        """Let so many hours pass on the server; returns once it knows."""
        before = self.now()
        ahead = float(self.file.read_text().strip("+s\n")) + hours * 3600
        _write(self.file, ahead)
        end = time.monotonic() + _NOTICED_SECONDS
        while not self._is_at(before + hours * 3600):
            assert time.monotonic() < end, "the server did not notice that its clock was moved"
            time.sleep(0.1)

    def _is_at(self, moment: float) -> bool:
        try:
            return self.now() >= moment
        except (HTTPException, OSError):  # the jump made the connection one that was idle for hours
            return False


def start_with_moving_clock(home: Path) -> MovingClock:
    """Start an empty server at the time of day."""
    file = home / "clock"
    _write(file, 0)
    return MovingClock(start_dynamodb_local(home, faketime=file), file)


def _write(file: Path, ahead_seconds: float) -> None:
    whole = file.with_suffix(".new")  # the server must never read a half
    whole.write_text(f"+{ahead_seconds:.0f}s\n")
    whole.replace(file)
