"""Log lines go to the stderr of the moment, and a stderr nobody reads ends nothing."""

import io
import json
import os

import pytest

from snowmelt import logs


def test_lines_go_to_the_stderr_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    logs.configure(json_lines=True)
    log = logs.logger(dataset="copy")
    log.info("before")
    later = io.StringIO()
    monkeypatch.setattr("sys.stderr", later)

    log.warning("after", reason="größer")

    line = json.loads(later.getvalue())
    assert (line["event"], line["level"], line["dataset"]) == ("after", "warning", "copy")
    assert "größer" in later.getvalue()


def test_a_stderr_that_nobody_reads_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    logs.configure(json_lines=True)
    broken = os.fdopen(write, "w")
    monkeypatch.setattr("sys.stderr", broken)
    logs.logger().error("nobody_reads")
    with pytest.raises(BrokenPipeError):
        broken.close()

    logs.logger().error("closed")
