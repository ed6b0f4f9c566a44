"""The manifests: they render offline, fit their schemas, and say what the real command takes."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from snowmelt.durations import parse_duration
from tests.deploy.checkov import checkov
from tests.deploy.command_line import parse
from tests.deploy.manifests import (
    KUSTOMIZE,
    OVERLAYS,
    ROOT,
    Pod,
    documents,
    mounts,
    of_kind,
    pods,
    text_of,
    tool,
)
from tests.snowmelt.command import snowmelt

pytestmark = pytest.mark.network

# Of the Prometheus operator, whose schemas no package of Kubernetes' has.
WITHOUT_SCHEMA = {"ServiceMonitor"}


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def of_snowmelt(pod: Pod) -> list[dict[str, Any]]:
    """Containers that run the command of the image."""
    return [each for each in pod.containers if "command" not in each]


# ---------------------------------------------------------------- as Kubernetes sees them


def test_every_overlay_renders_offline_and_fits_the_schemas(tmp_path: Path) -> None:
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(text_of(overlay))

    said = tool("kubernetes-validate", "--strict", *map(str, sorted(tmp_path.iterdir())))

    assert said.returncode == 0, said.stdout + said.stderr
    lines = (said.stdout + said.stderr).splitlines()
    warned = {match[1] for line in lines if (match := re.search(r"schema for kind (\w+)", line))}
    assert warned <= WITHOUT_SCHEMA
    looked_at = sum(line.startswith("INFO") for line in lines)
    all_of_them = [each for overlay in OVERLAYS for each in documents(overlay)]
    assert looked_at == sum(each["kind"] not in WITHOUT_SCHEMA for each in all_of_them)


def test_checkov_finds_nothing_in_what_is_rendered_and_in_the_image(tmp_path: Path) -> None:
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(text_of(overlay))
    shutil.copy(ROOT / "deploy" / "Dockerfile", tmp_path)

    report = checkov("kubernetes,dockerfile", tmp_path)

    assert report.failed == ()
    assert report.skipped == ()
    assert report.passed > 500


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_is_in_the_overlays_own_namespace(overlay: str) -> None:
    namespaces = {each["metadata"]["name"] for each in of_kind(overlay, "Namespace")}
    used = {
        each["metadata"]["namespace"] for each in documents(overlay) if each["kind"] != "Namespace"
    }

    assert len(namespaces) == 1
    assert used == namespaces


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_selects_pods_finds_one_and_the_network_policy_all(overlay: str) -> None:
    made = pods(overlay)
    for kind in ("PodDisruptionBudget", "Service"):
        for each in of_kind(overlay, kind):
            selector = each["spec"]["selector"]
            labels = selector.get("matchLabels", selector)
            assert any(selects(labels, pod.labels) for pod in made), each["metadata"]["name"]
    (policy,) = of_kind(overlay, "NetworkPolicy")
    assert all(selects(policy["spec"]["podSelector"]["matchLabels"], pod.labels) for pod in made)
    for monitor in of_kind(overlay, "ServiceMonitor"):
        labels = monitor["spec"]["selector"]["matchLabels"]
        services = of_kind(overlay, "Service")
        found = [each for each in services if selects(labels, each["metadata"]["labels"])]
        ports = {port["name"] for each in found for port in each["spec"]["ports"]}
        assert {each["port"] for each in monitor["spec"]["endpoints"]} <= ports
    accounts = {each["metadata"]["name"] for each in of_kind(overlay, "ServiceAccount")}
    assert {pod.spec["serviceAccountName"] for pod in made} <= accounts


# ---------------------------------------------------------------- as the command sees them


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_its_command_lines_are_taken_by_the_real_command(overlay: str) -> None:
    for pod in pods(overlay):
        verbs = [parse(each["args"]) for each in of_snowmelt(pod)]

        assert verbs
        assert set(verbs) <= {"run", "restore", "snapshots drill", "selftest"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_its_configuration_is_taken_without_a_warning(overlay: str, tmp_path: Path) -> None:
    pod = pods(overlay)[0]
    (tmp_path / "snowmelt.yaml").write_text(yaml.safe_dump(pod.configuration()))

    for index in ("0", "1") if overlay == "central" else ("",):
        given = {"SNOWMELT_RUNTIME_STANDBY": index}
        ended = snowmelt("config", "check", cwd=tmp_path, environment=given)

        assert ended.code == 0, ended.errors
        assert ended.errors == ()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_written_lies_on_a_volume(overlay: str) -> None:
    for pod in pods(overlay):
        dataset = pod.configuration()["datasets"][0]
        for container in of_snowmelt(pod):
            writable = mounts(container)
            assert writable.pop("/tmp") == "tmp"
            arguments = container["args"]
            named = [word for word in arguments if word.startswith("/")]
            for path in named or [dataset["acceleration"]["path"]]:
                assert any(Path(path).is_relative_to(mount) for mount in writable), path
            if "--dataset" in arguments:
                assert arguments[arguments.index("--dataset") + 1] == dataset["name"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_node_is_probed_where_it_listens_and_ends_within_its_grace(overlay: str) -> None:
    for pod in pods(overlay):
        runtime = pod.configuration().get("runtime", {})
        for node in (each for each in of_snowmelt(pod) if each["args"] == ["run"]):
            port = int(runtime["admin"].rpartition(":")[2])
            assert node["ports"] == [{"name": "admin", "containerPort": port}]
            probes = {name: node[name]["httpGet"] for name in node if name.endswith("Probe")}
            assert probes == {
                "startupProbe": {"path": "/v1/ready", "port": "admin"},
                "livenessProbe": {"path": "/health", "port": "admin"},
                "readinessProbe": {"path": "/v1/ready", "port": "admin"},
            }
            grace = pod.spec["terminationGracePeriodSeconds"]
            assert parse_duration(runtime["shutdown_timeout"]) + 10 <= grace


def test_an_edge_restores_first_and_the_application_comes_last() -> None:
    spec = pods("edge")[0].spec
    restore, node = spec["initContainers"]

    assert restore["args"][0] == "restore"
    assert "restartPolicy" not in restore
    assert node["args"] == ["run"]
    assert node["restartPolicy"] == "Always"  # a native sidecar: its startupProbe holds the rest
    assert [each["name"] for each in spec["containers"]] == ["app"]


def test_a_seed_on_a_node_outlives_pods_and_a_pod_that_is_not_root_can_write_it() -> None:
    spec = pods("edge-daemonset")[0].spec
    data = next(each for each in spec["volumes"] if each["name"] == "data")

    assert data["hostPath"]["type"] == "Directory"
    made = f"-o {spec['securityContext']['runAsUser']} -g 65532 {data['hostPath']['path']}"
    assert made in (KUSTOMIZE / "overlays/edge-daemonset/kustomization.yaml").read_text()


def test_a_standby_is_the_second_pod_of_the_central_node(tmp_path: Path) -> None:
    overlay = tmp_path / "kustomization.yaml"
    there = KUSTOMIZE.relative_to("/")
    up = "/".join([".."] * (len(tmp_path.resolve().parts) - 1))
    overlay.write_text(
        yaml.safe_dump(
            {
                "resources": [f"{up}/{there}/overlays/central"],
                "components": [f"{up}/{there}/components/standby"],
            }
        )
    )
    rendered = tool("kubectl", "kustomize", str(tmp_path))

    assert rendered.returncode == 0, rendered.stderr
    sets = [each for each in yaml.safe_load_all(rendered.stdout) if each["kind"] == "StatefulSet"]
    assert sets[0]["spec"]["replicas"] == 2
    variables = sets[0]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert variables[0]["name"] == "SNOWMELT_RUNTIME_STANDBY"
    assert "pod-index" in variables[0]["valueFrom"]["fieldRef"]["fieldPath"]


# ---------------------------------------------------------------- as the manual sees them


def codes_that_no_retry_helps() -> set[int]:
    rows = re.findall(
        r"^\| (\d+) \|.*\| ([^|]+) \|$", (ROOT / "docs/operating.md").read_text(), re.MULTILINE
    )
    return {int(code) for code, helps in rows if helps.startswith(("no", "after"))}


@pytest.mark.parametrize("overlay", ["central", "disaster-recovery"])
def test_a_job_gives_up_by_the_codes_that_no_retry_helps_with(overlay: str) -> None:
    for owner in of_kind(overlay, "Job") + of_kind(overlay, "CronJob"):
        spec = owner["spec"].get("jobTemplate", owner)["spec"]
        names = {each["name"] for each in spec["template"]["spec"]["containers"]}
        (rule,) = spec["podFailurePolicy"]["rules"]

        assert rule["onExitCodes"]["containerName"] in names
        assert set(rule["onExitCodes"]["values"]) <= codes_that_no_retry_helps()
        assert {2, 5, 9, 11} <= set(rule["onExitCodes"]["values"])
