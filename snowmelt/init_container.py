"""What an orchestrator learns of one run of `restore`: a report file, a last word, an end in time.

    --report PATH               JSON: decision, snapshot, bytes, phases, exit code
    /dev/termination-log        the same in at most 4 KiB, where there is such a file (Kubernetes)
    SIGTERM                     ends with 143 at once; what was fetched is gone on with

Nothing has to be brought to an end for that: a killed restore leaves verified blocks in its
staging directory and the target as it was, so the signal's thread writes the last word and ends
the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cdc.errors import FileUnusable
from snapshotter.durable import write_synced
from snowmelt.errors import Explained

TERMINATION_LOG = "/dev/termination-log"
TERMINATION_LOG_VARIABLE = "SNOWMELT_TERMINATION_LOG"
TERMINATION_LIMIT_BYTES = 4096
_MESSAGE_LIMIT = 1500
# What is dropped, in this order, from a last word that is too long.
_DISPENSABLE = ("rejected", "reasons", "phases", "hint")


class InitContainer:
    """One run. `report`: where to write it, None for nowhere; its folder has to exist."""

    def __init__(self, report: Path | None) -> None:
        self._known: dict[str, Any] = {}
        self._report = report

    def about(self, dataset: str, target: Path) -> None:
        """What it restores, and where to."""
        self._known = {"dataset": dataset, "path": str(target)}

    def end_on_sigterm(self) -> None:
        """From now on SIGTERM ends the process with 143. To be called from the main thread."""
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda _number, _frame: None)
        arguments = (reader, writer)
        threading.Thread(target=self._watch, args=arguments, name="signals", daemon=True).start()

    def ended(self, document: Mapping[str, Any]) -> None:
        """It did what it should. Raises FileUnusable if the report cannot be written."""
        self._tell({**document, "exit_code": 0})

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Tell an error before it goes on its way."""
        try:
            yield
        except Exception as error:
            # The error is what matters, also where the report cannot be written.
            with contextlib.suppress(FileUnusable):
                self._failed(error)
            raise

    def _failed(self, error: Exception) -> None:
        """Of an error that is none of ours only the kind is told: its text may be anything."""
        if isinstance(error, Explained):
            message, code = " ".join(str(error).split()), error.exit_code
            told = {"message": message[:_MESSAGE_LIMIT], "hint": str(error.hint)}
        else:
            code, told = 1, {"message": f"a bug in Snowmelt: {type(error).__name__}", "hint": ""}
        self._tell({**told, "exit_code": code})

    def _watch(self, reader: socket.socket, _writer: socket.socket) -> None:
        """`_writer` is kept from being closed as long as this runs."""
        while reader.recv(1)[0] != signal.SIGTERM:
            pass  # Ctrl-C is the main thread's
        code = 128 + signal.SIGTERM
        hint = "start it again: it goes on from what is on the disk"
        try:
            self._tell({"message": "ended by SIGTERM", "hint": hint, "exit_code": code})
        finally:
            os._exit(code)

    def _tell(self, document: Mapping[str, Any]) -> None:
        whole = {"format": 1, "verb": "restore", **self._known, **document}
        _last_word(whole)
        if self._report is not None:
            write_report(self._report, whole)


def write_report(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the file in one step. Raises FileUnusable."""
    unfinished = path.with_name(f"{path.name}.new")
    try:
        unfinished.unlink(missing_ok=True)
        write_synced(unfinished, (json.dumps(document, indent=2, default=str) + "\n").encode())
        unfinished.rename(path)
    except OSError as error:
        raise FileUnusable(
            f"cannot write the report {path}: {error.strerror}", hint="name another --report"
        ) from error


def _last_word(document: Mapping[str, Any]) -> None:
    given = os.environ.get(TERMINATION_LOG_VARIABLE)
    path = Path(given or TERMINATION_LOG)
    if not given and not path.exists():
        return
    try:
        path.write_bytes(shortened(document))
    except OSError:
        return  # it is for convenience: the exit code and stderr say the same


def shortened(document: Mapping[str, Any]) -> bytes:
    """JSON of at most 4 KiB, without what is dispensable where it would be longer."""
    left = dict(document)
    for name in ("", *_DISPENSABLE):
        left.pop(name, None)
        text = json.dumps(left, default=str).encode()
        if len(text) <= TERMINATION_LIMIT_BYTES:
            return text
    kept = ("format", "verb", "exit_code", "message")
    least = {name: str(left.get(name, ""))[:200] for name in kept}
    return json.dumps({**least, "exit_code": left.get("exit_code")}).encode()
