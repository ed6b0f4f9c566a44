"""The manifests as a cluster would get them: rendered by kubectl, offline."""

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.servers.availability import missing

ROOT = Path(__file__).resolve().parents[2]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
OVERLAYS = tuple(sorted(path.name for path in (KUSTOMIZE / "overlays").iterdir()))
_SCRIPT = ROOT / "scripts" / "kubernetes.sh"

Document = dict[str, Any]


@functools.cache
def _installed() -> None:
    made = subprocess.run(
        [_SCRIPT, "--install"], capture_output=True, text=True, check=False, timeout=600
    )
    if made.returncode:
        missing(f"kubectl could not be installed: {made.stderr.strip()[-500:]}")


def tool(*command: str) -> subprocess.CompletedProcess[str]:
    """kubectl or kubernetes-validate; a skip where they cannot be had."""
    _installed()
    return subprocess.run(
        [_SCRIPT, *command], capture_output=True, text=True, check=False, timeout=300
    )


@functools.cache
def text_of(overlay: str) -> str:
    rendered = tool("kubectl", "kustomize", str(KUSTOMIZE / "overlays" / overlay))
    assert rendered.returncode == 0, rendered.stderr
    assert rendered.stderr == ""  # kustomize warns of what it will refuse one day
    return rendered.stdout


def documents(overlay: str) -> list[Document]:
    return [document for document in yaml.safe_load_all(text_of(overlay)) if document]


def of_kind(overlay: str, kind: str) -> list[Document]:
    return [document for document in documents(overlay) if document["kind"] == kind]


@dataclass(frozen=True)
class Pod:
    """A pod template and what makes pods of it."""

    overlay: str
    owner: Document
    template: Document

    @property
    def spec(self) -> Document:
        spec: Document = self.template["spec"]
        return spec

    @property
    def labels(self) -> dict[str, str]:
        labels: dict[str, str] = self.template["metadata"]["labels"]
        return labels

    @property
    def containers(self) -> list[Document]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def configuration(self) -> Document:
        """The `snowmelt.yaml` that its containers see."""
        wanted = next(
            each["configMap"]["name"] for each in self.spec["volumes"] if _is_config(each)
        )
        found = [
            each
            for each in of_kind(self.overlay, "ConfigMap")
            if each["metadata"]["name"] == wanted
        ]
        loaded: Document = yaml.safe_load(found[0]["data"]["snowmelt.yaml"])
        return loaded

    def __str__(self) -> str:
        return f"{self.overlay}/{self.owner['kind']}/{self.owner['metadata']['name']}"


def _is_config(volume: Document) -> bool:
    return volume["name"] == "config" and "configMap" in volume


def pods(overlay: str) -> list[Pod]:
    found = []
    for owner in documents(overlay):
        spec = owner.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            found.append(Pod(overlay, owner, template))
    assert found, f"{overlay} makes no pod"
    return found


def mounts(container: Document) -> dict[str, str]:
    """Volume by the path where it is writable."""
    return {
        mount["mountPath"]: mount["name"]
        for mount in container.get("volumeMounts", [])
        if not mount.get("readOnly", False)
    }
