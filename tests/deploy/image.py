"""The image without a container engine: its Dockerfile is read and its steps are carried out here.

Folders of the image lie below a folder of ours. What runs in it runs as the image's user, and where
this machine lets a test have mounts of its own, with a root that is read-only.
"""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.uv_alone import environment, run

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
_WRITABLE = ("/var/lib/snowmelt", "/tmp")

# The root and what everybody may write to become read-only, but for the two folders.
_SEAL = """
set -e
data=$1; scratch=$2; user=$3; shift 3
mount --make-rprivate /
mount --bind "$data" "$data"
mount --bind "$scratch" "$scratch"
for at in / /tmp /var/tmp /dev/shm; do
  mountpoint -q $at && mount -o remount,bind,ro $at
done
cd "$data"
exec setpriv --reuid $user --regid $user --clear-groups --no-new-privs -- "$@"
"""


@dataclass
class Stage:
    """What one stage says. `commands`: CMD, ENTRYPOINT and HEALTHCHECK, as argument lists."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    commands: dict[str, list[str]] = field(default_factory=dict)
    user: str = "0"


def stages() -> dict[str, Stage]:
    """By name; the last one is `final`."""
    found: dict[str, Stage] = {}
    for word, rest in _instructions(DOCKERFILE.read_text()):
        if word == "FROM":
            found[rest.partition(" AS ")[2] or "final"] = Stage()
            continue
        stage = list(found.values())[-1]
        if word in {"COPY", "RUN"}:
            stage.steps.append((word, rest))
        elif word == "ENV":
            stage.variables |= dict(pair.split("=", 1) for pair in rest.split())
        elif word in {"CMD", "ENTRYPOINT", "HEALTHCHECK"}:
            stage.commands[word] = json.loads(rest[rest.index("[") :])
        elif word == "USER":
            stage.user = rest.partition(":")[0]
    return found


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for instruction in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = instruction.partition(" ")
        if word:
            yield word, rest.strip()


class Image:
    """The image's folders below `root`, which everybody may read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stage = stages()["final"]
        self.data, self.scratch = (self.inside(path) for path in _WRITABLE)
        for folder in (self.data, self.scratch):
            folder.mkdir(parents=True)
            if os.geteuid() == 0:
                os.chown(folder, int(self.stage.user), int(self.stage.user))

    def inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def build(self) -> None:
        """Carry out what the stage `build` says, in a folder that has nothing else."""
        source = self.inside("/src")
        source.mkdir()
        for word, rest in stages()["build"].steps:
            if word == "COPY":
                _copy(rest, source)
                continue
            command = rest.replace("/opt/snowmelt", str(self.inside("/opt/snowmelt")))
            self.inside("/opt").mkdir(exist_ok=True)
            ended = run(
                ["sh", "-c", f"cd {source} && {command}"],
                self.root,
                TOOLS=str(self.root / "tools"),
                PIP=f"{sys.executable} -m pip",  # the base has one; a bare Debian has not
                UV_LINK_MODE="hardlink",  # a copy of 250 MB proves nothing more
            )
            assert ended.code == 0, f"{command}\n{ended.output}{ended.errors}"

    def environment(self, **more: str) -> dict[str, str]:
        """What the image sets, with its folders where they lie here."""
        return {name: self._moved(value) for name, value in self.stage.variables.items()} | more

    def _moved(self, value: str) -> str:
        folders = "|".join(("/opt/snowmelt", "/etc/snowmelt", *_WRITABLE))
        return re.sub(folders, lambda found: str(self.inside(found[0])), value)

    def command(self, *arguments: str) -> list[str]:
        """Whatever the entry point is given, as the image's user."""
        return self.sealed([*self.stage.commands["ENTRYPOINT"], *arguments])

    def sealed(self, command: list[str]) -> list[str]:
        program = str(self.inside("/opt/snowmelt/bin") / command[0])
        folders = [str(self.data), str(self.scratch), self.stage.user]
        if can_be_read_only():
            seal = ["unshare", "--mount", "sh", "-c", _SEAL, "seal", *folders]
            return [*seal, program, *command[1:]]
        if os.geteuid() == 0:
            user = ["--reuid", self.stage.user, "--regid", self.stage.user, "--clear-groups"]
            return ["setpriv", *user, "--", program, *command[1:]]
        return [program, *command[1:]]


def _copy(rest: str, source: Path) -> None:
    *names, target = rest.split()
    folder = source / target
    for name in names:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder, ignore=ignored)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder)


@functools.cache
def can_be_read_only() -> bool:
    """True if this machine lets a test remount its root in a namespace of its own."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    probe = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        "mount --make-rprivate / && mount -o remount,bind,ro /",
    ]
    tried = subprocess.run(probe, capture_output=True, check=False, env=environment(Path("/")))
    return tried.returncode == 0
