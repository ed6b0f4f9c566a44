"""SIGTERM and SIGINT as an event that a whole process can wait for."""

from __future__ import annotations

import os
import signal
import socket
import threading


class Stop(threading.Event):
    """An event that a signal sets. `signal`: which one."""

    signal: int = signal.SIGTERM


def stop_on_signals() -> Stop:
    """An event that SIGTERM and SIGINT set; a second signal ends the process at once.

    A thread reads them from the descriptor that the interpreter's C handler writes to. The kernel
    may hand a signal to any thread, and a handler in Python runs only when the main thread does:
    a main thread that waits for the event would sleep on.
    """
    stop = Stop()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    watch = threading.Thread(
        target=_watch, args=(reader, writer, stop), name="signals", daemon=True
    )
    watch.start()
    return stop


def _watch(reader: socket.socket, _writer: socket.socket, stop: Stop) -> None:
    """`_writer` is kept from being closed as long as this runs."""
    stop.signal = reader.recv(1)[0]
    stop.set()
    os._exit(128 + reader.recv(1)[0])
