"""Terraform as these tests use it: found on the machine, never downloaded, run on copies.

Neither it nor a provider is in Debian, PyPI or npm (but for versions of before 1.0, and programs
that download them), so where they are missing these tests skip, in CI too, and say why. A provider
is taken from `SNOWMELT_TERRAFORM_PLUGIN_DIR`, or from where Terraform looks for a local mirror.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.process import FOREIGN_VARIABLES

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "terraform"
PLUGIN_DIR = "SNOWMELT_TERRAFORM_PLUGIN_DIR"
# Where `terraform init` looks for plugins by itself, and what somebody put beside the system.
_MIRRORS = (
    "~/.terraform.d/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    "/opt/*",
)
_SECONDS = 900  # to load the provider takes seconds of CPU, each time


def binary() -> str:
    """Terraform, else a skip."""
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("terraform is not installed, and no registry of packages has 1.9 or newer")
    return found


def plugin_dir() -> Path:
    """Where the provider of AWS lies, else a skip."""
    binary()
    given = os.environ.get(PLUGIN_DIR)
    for place in [given] if given else _MIRRORS:
        folder = Path(place).expanduser()
        for found in Path(folder.anchor).glob(
            f"{folder.relative_to(folder.anchor)}/*/hashicorp/aws"
        ):
            return found.parents[2]
    pytest.skip(f"no provider of AWS on this machine; {PLUGIN_DIR} says where one lies")


def needs_provider(folder: Path) -> bool:
    """Whether the module, or one that it calls, has resources."""
    return "hashicorp/aws" in (folder / "versions.tf").read_text()


def environment() -> dict[str, str]:
    """Without this machine's settings of a cloud."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN_VARIABLES and not name.startswith(("AWS_", "TF_"))
    }
    return {**kept, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}


def copied(to: Path) -> Path:
    """A copy of terraform/, so that nothing is written beside the sources."""
    copy = to / "terraform"
    shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    return copy


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command of terraform in a folder; `more`: variables of its environment."""
    return subprocess.run(
        [binary(), *words],
        cwd=folder,
        env={**environment(), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )


def succeeded(folder: Path, *words: str, **more: str) -> str:
    """What the command printed; fails with all of it."""
    ended = run(folder, *words, **more)
    assert ended.returncode == 0, f"{words} in {folder.name}:\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def initialised(folder: Path) -> Path:
    """The folder after `terraform init`, without a network."""
    plugins = [f"-plugin-dir={plugin_dir()}"] if needs_provider(folder) else []
    succeeded(folder, "init", "-no-color", "-backend=false", "-input=false", *plugins)
    return folder


def together(to: Path) -> Path:
    """A root whose tests are those of all modules and examples: the provider is loaded once.

    Each run gets the module that it is a run of; nothing else of a test is changed.
    """
    root = copied(to)
    (root / "tests").mkdir()
    (root / "versions.tf").write_text((root / "modules" / "alarms" / "versions.tf").read_text())
    for file in root.glob("*/*/tests/*.tftest.hcl"):
        module = file.parents[1]
        source = f'  module {{\n    source = "./{module.relative_to(root)}"\n  }}\n'
        text = re.sub(r'^(run "\w+" \{\n)', rf"\1{source}", file.read_text(), flags=re.MULTILINE)
        (root / "tests" / f"{module.name}.tftest.hcl").write_text(text)
    return initialised(root)
