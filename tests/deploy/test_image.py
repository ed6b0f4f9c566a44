"""The image: built by the Dockerfile's own steps, and run as it will be, without an engine."""

import contextlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.image import ROOT, Image, can_be_read_only, stages
from tests.servers.moto import MotoServer
from tests.servers.process import free_ports

pytestmark = [pytest.mark.network, pytest.mark.timeout(900)]  # fetches and compiles 50 packages
SECONDS = 120


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not pytest's folder: that is closed to other users, and the image runs as one.
    root = Path(tempfile.mkdtemp(prefix="snowmelt-image-", dir="/var/tmp"))
    root.chmod(0o755)
    try:
        built = Image(root)
        built.build()
        yield built
    finally:
        shutil.rmtree(root)


@pytest.fixture
def table(moto_server: MotoServer) -> Iterator[MotoServer]:
    client = moto_server.client("dynamodb")
    client.create_table(
        TableName="pipelines",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    for number in range(20):
        client.put_item(TableName="pipelines", Item={"id": {"S": f"item#{number}"}})
    yield moto_server
    client.delete_table(TableName="pipelines")


def configure(image: Image, server: MotoServer) -> str:
    """One dataset for each engine; returns the admin address."""
    admin, query = (f"127.0.0.1:{port}" for port in free_ports(2))
    document = {
        "version": "v1",
        "snapshots": {"location": f"file://{image.data}/bucket"},
        "datasets": [
            {
                "from": "dynamodb:pipelines",
                "name": engine,
                "params": {
                    "dynamodb_region": server.region,
                    "endpoint_url": server.endpoint_url,
                    "dynamodb_streams_endpoint_url": server.endpoint_url,
                },
                "acceleration": {"engine": engine, "snapshots": "enabled"},
            }
            for engine in ("duckdb", "sqlite")
        ],
        "runtime": {"admin": admin, "query": query},
    }
    file = image.inside("/etc/snowmelt/snowmelt.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(document))
    return admin


def snowmelt(image: Image, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ended(image, image.command(*arguments))


def ended(image: Image, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=image.environment(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x"),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextlib.contextmanager
def running(image: Image) -> Iterator[subprocess.Popen[bytes]]:
    """The container as it starts by itself."""
    log = image.root / "node.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            image.command(*image.stage.commands["CMD"]),
            env=image.environment(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x"),
            cwd="/",
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    except BaseException as error:
        error.add_note(log.read_text()[-3000:])
        raise
    finally:
        process.kill()
        process.wait()


def wait_until_ready(admin: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the node ended"
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            urllib.request.urlopen(f"http://{admin}/v1/ready", timeout=5).close()
            return
        time.sleep(0.1)
    pytest.fail("the node is not ready")


def test_a_node_of_the_image_writes_to_its_two_volumes_and_nowhere_else(
    image: Image, table: MotoServer, record_property: Callable[[str, object], None]
) -> None:
    record_property("read_only_root", can_be_read_only())
    admin = configure(image, table)
    health = image.sealed(image.stage.commands["HEALTHCHECK"])
    assert snowmelt(image, "--version").stdout.startswith("snowmelt ")
    checked = snowmelt(image, "config", "check")
    assert checked.returncode == 0, checked.stderr
    assert ended(image, health).returncode == 8  # nobody runs yet

    with running(image) as process:
        wait_until_ready(admin, process)
        healthy = ended(image, health)
        for engine in ("duckdb", "sqlite"):
            made = snowmelt(image, "snapshots", "create", "--dataset", engine)
            assert made.returncode == 0, made.stderr
            drilled = snowmelt(image, "snapshots", "drill", "--dataset", engine)
            assert drilled.returncode == 0, drilled.stderr
            assert "20 items" in drilled.stdout
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0

    assert healthy.returncode == 0, healthy.stderr
    assert {path.name for path in image.data.iterdir()} >= {"duckdb.duckdb", "sqlite.sqlite"}
    assert not [*image.scratch.iterdir()]


def test_what_is_sealed_cannot_be_written_to(image: Image) -> None:
    tried = {
        folder: ended(image, image.sealed(["python", "-c", f"open('{folder}/new', 'w')"]))
        for folder in (image.inside("/opt/snowmelt"), "/var/tmp", "/dev/shm")
    }
    allowed = ended(image, image.sealed(["python", "-c", f"open('{image.scratch}/new', 'w')"]))
    (image.scratch / "new").unlink()

    assert allowed.returncode == 0, allowed.stderr
    if not can_be_read_only():
        pytest.skip("this machine gives no mounts of one's own: users are told apart, no more")
    assert [name for name, one in tried.items() if one.returncode == 0] == []


def test_the_image_holds_no_tool_that_installs_and_nothing_of_the_demonstration(
    image: Image,
) -> None:
    packages = next(image.inside("/opt/snowmelt/lib").glob("python3*/site-packages"))
    names = {path.name.partition("-")[0].lower() for path in packages.iterdir()}

    assert {"snowmelt", "duckdb", "boto3", "pyarrow"} <= names
    assert names.isdisjoint({"pip", "uv", "moto", "hatchling", "setuptools", "pytest", "flask"})
    for sources in (packages / "snowmelt", packages / "botocore", packages / "pyarrow"):
        compiled = {path.name.partition(".")[0] for path in sources.rglob("*.pyc")}
        assert {path.stem for path in sources.rglob("*.py")} == compiled


def test_the_image_runs_as_nobody_in_particular_and_never_as_root() -> None:
    final = stages()["final"]

    assert int(final.user) > 10_000
    assert final.commands["ENTRYPOINT"] == ["snowmelt"]
    assert final.commands["CMD"] == ["run"]


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by package."""
    text = (ROOT / name).read_text()
    found = {}
    for entry in re.split(r"\n(?=[a-z0-9])", text):
        match = re.match(r"([a-z0-9._-]+)==([^ \\]+)", entry)
        if match:
            found[match[1]] = match[2], frozenset(re.findall(r"sha256:[0-9a-f]{64}", entry))
    return found


@pytest.mark.parametrize("name", ["requirements.txt", "build-requirements.txt"])
def test_the_image_has_the_very_packages_that_were_tested(name: str) -> None:
    tested, installed = locked("requirements-dev.lock"), locked(f"deploy/{name}")

    assert len(installed) > 5
    assert {package: tested.get(package) for package in installed} == installed
