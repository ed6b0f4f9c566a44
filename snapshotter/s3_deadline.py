"""An end for bodies that never end: a line that trickles is no time-out to the socket below.

The socket's own time-out counts from one piece to the next. At the deadline it is set to nearly
nothing, by botocore's own means, so that the next wait for a piece fails; a line on which nothing
comes at all ends by the time-out that it has.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

_AT_ONCE_SECONDS = 0.001


@contextlib.contextmanager
def ended_at(moment: float, body: Any) -> Iterator[None]:
    """Reading botocore's `body` fails soon after a moment of time.monotonic()."""
    timer = threading.Timer(max(0.0, moment - time.monotonic()), _end, (body,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(body: Any) -> None:
    with contextlib.suppress(Exception):  # it may be over in this moment
        body.set_socket_timeout(_AT_ONCE_SECONDS)
