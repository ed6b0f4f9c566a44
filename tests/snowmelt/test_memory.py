"""What the process is told about its memory, seen from within a process of its own."""

import platform
import subprocess
import sys

import pytest

# Mapped: 12 MiB that were asked for after such a piece had been freed.
PROGRAM = """
import ctypes, sys
from snowmelt import memory

class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

for name in sys.argv[1:]:
    getattr(memory, name)()
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
for _ in range(3):
    bytearray(12 * 2**20)
held = bytearray(12 * 2**20)
print(libc.mallinfo2().hblkhd >= len(held))
"""


def answer(*arguments: str) -> str:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallinfo2")
def test_large_pieces_are_given_back_however_many_there_were() -> None:
    assert answer() == "False", "glibc does it by itself now"
    assert answer("settle") == "True"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallinfo2")
def test_a_capture_keeps_them() -> None:
    assert answer("settle", "keep_large_pieces") == "False"
