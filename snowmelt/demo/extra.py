"""Brings the demonstration's embedded AWS where uv started us without it.

A node never needs it, so it is an extra. uv names itself in `UV`: then the same command line is
run again with the extra, and what uv already has is taken from its cache. Who installed Snowmelt by
other means is told what is missing, because nothing is installed into an environment unasked.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata, util

_MODULES = ("moto", "flask", "flask_cors")
_AGAIN = "SNOWMELT_RUN_AGAIN_WITH_DEMO"  # a package index that lacks the extra must not loop


def bring(arguments: list[str]) -> None:
    """Replace this process by one that has the extra; returns if it is here or cannot be had."""
    uv = os.environ.get("UV")
    if not uv or _AGAIN in os.environ or all(util.find_spec(name) for name in _MODULES):
        return
    installed = metadata.distribution("snowmelt")
    wanted = requirement(installed.version, installed.read_text("direct_url.json"))
    sys.stderr.write(f"· uv brings the embedded AWS: {wanted}\n")
    sys.stderr.flush()
    command = [uv, "tool", "run", "--from", wanted, "snowmelt", *arguments]
    os.execve(uv, command, os.environ | {_AGAIN: "1"})  # noqa: S606 - uv itself told where it is


def requirement(version: str, direct_url: str | None) -> str:
    """Where this Snowmelt came from (PEP 610), with the extra."""
    name = "snowmelt[demo]"
    if direct_url is None:
        return f"{name}=={version}"
    origin = json.loads(direct_url)
    vcs = origin.get("vcs_info")
    url = f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}" if vcs else origin["url"]
    folder = f"#subdirectory={origin['subdirectory']}" if "subdirectory" in origin else ""
    return f"{name} @ {url}{folder}"
