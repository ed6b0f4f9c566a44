"""How long a thread may go on while another one waits for Python's lock.

A node decodes, reads pages for snapshots and answers queries in threads of one process. With the
interpreter's five milliseconds a commit or an answer, which takes the lock some ten times, waits
for tens of milliseconds; a turn of a fifth of one costs the others nothing that can be measured.
"""

from __future__ import annotations

import sys

_SECONDS = 0.0002


def shorten() -> None:
    """For this process, by who owns it."""
    sys.setswitchinterval(_SECONDS)
