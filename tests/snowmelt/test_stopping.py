"""Signals as a process gets them: whichever thread the kernel hands them to."""

import signal
import subprocess
import sys

import pytest

PROCESS = """
import os, signal, sys, threading, time
from snowmelt.stopping import stop_on_signals

def send():
    time.sleep(0.2)  # the main thread sleeps in its wait by now
    signal.pthread_kill(threading.get_ident(), int(sys.argv[1]))

stop = stop_on_signals()
threading.Thread(target=send, daemon=True).start()
stop.wait(120)
print(int(stop.signal) if stop.is_set() else "none", flush=True)
time.sleep(120)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_another_thread_gets_wakes_the_main_thread_and_a_second_ends_the_process(
    number: signal.Signals,
) -> None:
    command = [sys.executable, "-c", PROCESS, str(int(number))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{int(number)}\n"
        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == 128 + signal.SIGTERM
