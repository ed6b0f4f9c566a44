"""A limit holds for all who use one ledger, in this process and in others."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cdc.errors import FileUnusable
from restorer.bandwidth import Bandwidth

ASK = """
import sys, time
from pathlib import Path
from restorer.bandwidth import Bandwidth
limit = Bandwidth(1000.0, Path(sys.argv[1]))
for _ in range(4):
    time.sleep(max(0, limit.reserve(100) - time.monotonic()))
"""


def test_threads_together_get_no_more_than_the_limit(tmp_path: Path) -> None:
    # So slow that no pause of this process is longer than a reservation.
    limit = Bandwidth(1.0, tmp_path / "ledger")
    started = time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        begins = sorted(pool.map(limit.reserve, [100] * 8))

    assert begins[0] < started + 60
    # One behind the other.
    assert [round(later - begins[0], 3) for later in begins] == [
        number * 100 for number in range(8)
    ]


def test_processes_together_get_no_more_than_the_limit(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    started = time.monotonic()

    both = [subprocess.Popen([sys.executable, "-c", ASK, str(ledger)]) for _ in range(2)]
    assert [each.wait() for each in both] == [0, 0]

    assert time.monotonic() - started >= 0.7


def test_what_was_not_used_is_not_saved_up(tmp_path: Path) -> None:
    limit = Bandwidth(10.0, tmp_path / "ledger")
    limit.reserve(1)
    time.sleep(0.3)
    started = time.monotonic()

    begins = [limit.reserve(100) for _ in range(3)]

    assert begins[0] >= started
    assert begins[2] - begins[0] == pytest.approx(20.0)


def test_a_ledger_from_before_the_machine_started_is_nothing(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    Bandwidth(1.0, ledger).reserve(1_000_000)  # eleven days

    assert Bandwidth(1.0, ledger).reserve(1) <= time.monotonic()


def test_a_link_in_place_of_the_ledger_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ledger").symlink_to("elsewhere")

    with pytest.raises(FileUnusable, match="cannot use"):
        Bandwidth(1000.0, tmp_path / "ledger").reserve(1)

    assert not (tmp_path / "elsewhere").exists()
