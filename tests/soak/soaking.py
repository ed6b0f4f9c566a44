"""One soak: the stream in a process, the capture that is audited in another, what must hold."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAILS_EACH = 20  # calls
RSS_CAP_MIB = 600


@dataclass(frozen=True)
class Form:
    """`rate`: records a second of all lanes together. `rollover`, `poll`, `seconds`: seconds."""

    lanes: int
    rate: float
    rollover: float
    poll: float
    seconds: float


def soak(form: Form, engine: str, folder: Path) -> Any:
    """What `tests.soak.follow` tells, printed but for its samples: nothing lost, nothing doubled.

    All of it holds on a machine of any speed, because the seconds begin with the first commit.
    """
    plan = [str(form.lanes), str(form.rate / form.lanes), str(form.rollover)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.soak.server", *plan, str(FAILS_EACH)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port, began_at = json.loads(server.stdout.readline())
        capture = [engine, str(form.poll), str(form.seconds), str(folder)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.soak.follow", str(port), str(began_at), *plan, *capture],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=form.seconds + 300,
        )
        server.stdin.close()
    told = json.loads(done.stdout)
    figures = {name: told[name] for name in told if name != "rss_mib"}
    (folder / "soak.json").write_text(json.dumps(told))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    assert told["failures"] == []
    assert told["wrong_commits"] == []
    assert told["missing"] == 0, "records were lost"
    assert told["wrong_items"] == 0, "items are not what their newest records say"
    assert told["records"] >= 0.9 * form.rate * form.seconds, "the stream was not what it should be"
    assert told["server"]["faults"] > 0.04 * told["server"]["GetRecords"]
    assert told["rss_most_mib"] < RSS_CAP_MIB
    return told
