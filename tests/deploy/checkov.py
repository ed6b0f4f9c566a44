"""What checkov says of a folder: nothing may fail, and what is skipped has a reason beside it.

A skip is written at the resource (`#checkov:skip=ID:reason` in Terraform and Dockerfile, the
annotation `checkov.io/skip1: ID=reason` in a manifest). checkov runs offline, in an environment of
its own (`scripts/checkov.sh`).
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.availability import missing

ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = ROOT / "scripts" / "checkov.sh"
_NO_REASON = ("", "No comment provided")

# What nobody may skip, by the words in a check's name.
NEVER_SKIPPED = ("encrypt", "kms", "cmk", "public", "tls", "ssl", "https", "wildcard", '"*"')


@dataclass(frozen=True, order=True)
class Finding:
    """One check of one resource. `reason`: of a skip."""

    check: str
    file: str
    resource: str
    name: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.check} {self.file} {self.resource}: {self.name} {self.reason}".rstrip()


@dataclass(frozen=True)
class Report:
    """A resource that several callers of a module make counts once."""

    passed: int
    failed: tuple[Finding, ...]
    skipped: tuple[Finding, ...]

    @property
    def without_reason(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.skipped if each.reason in _NO_REASON)

    @property
    def not_to_be_skipped(self) -> tuple[Finding, ...]:
        return tuple(
            each
            for each in self.skipped
            if any(word in each.name.lower() for word in NEVER_SKIPPED)
        )


def checkov(framework: str, folder: Path, *arguments: str) -> Report:
    """checkov's report on a folder, by frameworks with commas; a skip where it cannot be had."""
    installed = subprocess.run(
        [_SCRIPT, "--install"], capture_output=True, text=True, check=False, timeout=600
    )
    if installed.returncode:
        missing(f"checkov could not be installed: {installed.stderr.strip()[-500:]}")
    asked = [
        "--framework",
        *framework.split(","),
        "--directory",
        str(folder),
        "--output",
        "json",
        "--compact",
    ]
    ran = subprocess.run(
        [_SCRIPT, *asked, "--soft-fail", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout)
    # One framework is an object, several are a list; without any resource there are no results.
    reports = found if isinstance(found, list) else [found]
    results = [each["results"] for each in reports if "results" in each]
    assert results, f"checkov looked at nothing of {framework} in {folder}: {ran.stdout[:500]}"
    return Report(
        passed=sum(len(each["passed_checks"]) for each in results),
        failed=_findings(results, "failed_checks"),
        skipped=_findings(results, "skipped_checks"),
    )


def _findings(results: list[dict[str, Any]], kind: str) -> tuple[Finding, ...]:
    return tuple(sorted({_finding(check) for each in results for check in each[kind]}))


def _finding(check: dict[str, Any]) -> Finding:
    resource = ".".join(str(check["resource"]).rsplit(".", 2)[-2:])
    return Finding(
        check=check["check_id"],
        file=check["file_path"],
        resource=resource.partition("[")[0],
        name=check["check_name"],
        reason=check["check_result"].get("suppress_comment") or "",
    )
