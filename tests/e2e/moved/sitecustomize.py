"""Moves the time of day of a Python process by what a file says, as `tests.servers.moving_clock`
writes it: "+7200s". Python imports this module itself at its start, from the folder on PYTHONPATH.

libfaketime would do as well for a process in C, but sleeping fails under it: Python sleeps until an
instant of the monotonic clock, which libfaketime moves although it was told not to.
"""

import os
import time
from pathlib import Path

_FILE = Path(os.environ["SNOWMELT_TEST_CLOCK"])
_time_of_day = time.time


def _moved() -> float:
    return _time_of_day() + float(_FILE.read_text().strip("+s\n"))


time.time = _moved
