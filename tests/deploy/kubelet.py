"""Runs the containers of a rendered pod as processes: arguments, configuration, volumes.

Mount paths are folders of ours and ports are free ones; all else is what the manifest says. The
application's container is run as it is written, by this Python.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.manifests import Document, Pod, of_kind
from tests.e2e.nodes import PATIENCE_SECONDS, Finished, Process, snowmelt, started
from tests.servers.process import FOREIGN_VARIABLES, free_ports


class Kubelet:
    """One pod on a machine. `volumes` outlive it: another pod may get the same ones."""

    def __init__(self, pod: Pod, volumes: Path, bucket: Path) -> None:
        self.pod = pod
        self.volumes = volumes
        admin, query = free_ports(2)
        self.admin = f"127.0.0.1:{admin}"
        self._query = f"127.0.0.1:{query}"
        for volume in pod.spec["volumes"]:
            (volumes / volume["name"]).mkdir(exist_ok=True, parents=True)
        written = yaml.safe_dump(pod.configuration())
        document = yaml.safe_load(self._moved(written, self._container("restore", "drill")))
        document["snapshots"]["location"] = f"file://{bucket}"
        document["snapshots"]["params"] = {}
        document.get("runtime", {})["admin"] = self.admin
        (volumes / "config" / "snowmelt.yaml").write_text(yaml.safe_dump(document))

    def _container(self, *names: str) -> Document:
        found = [each for each in self.pod.containers if each["name"] in names]
        return found[0]

    def _moved(self, text: str, container: Document) -> str:
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        paths = "|".join(sorted(map(re.escape, mounts), reverse=True))
        here = re.sub(rf"(?<!\w)({paths})\b", lambda at: str(self.volumes / mounts[at[1]]), text)
        return here.replace("127.0.0.1:8090", self._query)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "SNOWMELT_CONFIG": str(self.volumes / "config" / "snowmelt.yaml"),
            "TMPDIR": str(self.volumes / "tmp"),
        }

    def run(self, name: str) -> Finished:
        """A container to its end."""
        container = self._container(name)
        words = [self._moved(word, container) for word in container["args"]]
        return snowmelt(*words, directory=self.volumes, environment=self._environment)

    def verb(self, *words: str) -> Finished:
        """Another verb beside it, as by `kubectl exec`."""
        return snowmelt(*words, directory=self.volumes, environment=self._environment)

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[None]:
        """A node behind its startup probe; at the end SIGTERM, which it has to obey."""
        container = self._container(name)
        log = self.volumes / f"{name}.log"
        process = started(
            container["args"],
            self.volumes,
            environment=self._environment,
            output=log,
            errors=log,
        )
        try:
            self._wait_for(container["startupProbe"]["httpGet"]["path"], process, log)
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()[-2000:]
        finally:
            if process.poll() is None:
                process.kill()

    def _wait_for(self, path: str, process: Process, log: Path) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()[-2000:]
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{self.admin}{path}", timeout=5).close()
                return
            time.sleep(0.1)
        raise AssertionError(f"{path} was never 200: {log.read_text()[-2000:]}")

    def first_line_of_the_application(self) -> Any:
        """What `app` prints first, as JSON."""
        container = self._container("app")
        mount = next(each for each in container["volumeMounts"] if each["name"] == "app")
        config_map = next(each for each in self.pod.spec["volumes"] if each["name"] == "app")
        wanted = config_map["configMap"]["name"]
        maps = of_kind(self.pod.overlay, "ConfigMap")
        files = next(each["data"] for each in maps if each["metadata"]["name"] == wanted)
        for name, text in files.items():
            (self.volumes / "app" / name).write_text(self._moved(text, container))
        program = Path(container["command"][1]).relative_to(mount["mountPath"])
        environment = {k: v for k, v in os.environ.items() if k not in FOREIGN_VARIABLES}
        with subprocess.Popen(
            [sys.executable, str(self.volumes / "app" / program)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            process.kill()
        return json.loads(line)
