"""Other people's programs with the place's identity, and what litestream wants to be told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.kit.bucket import Place


def call(command: list[str], place: Place) -> None:
    """Run to the end; raises CalledProcessError."""
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": place["key"],
        "AWS_SECRET_ACCESS_KEY": place["secret"],
        "AWS_REGION": place["region"],
    }
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def litestream_settings(path: Path, place: Place, prefix: str) -> str:
    """A configuration for one SQLite file, and where in the place it goes."""
    return f"""
dbs:
  - path: {path}
    replica:
      type: s3
      bucket: {place["root"]}
      path: {prefix}
      endpoint: {place["endpoint"]}
      region: {place["region"]}
      force-path-style: true
"""
