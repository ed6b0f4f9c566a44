"""moto's server in this process: quick, forgiving, not a judge of stream semantics."""

from dataclasses import dataclass
from typing import Any

from moto.server import ThreadedMotoServer

from tests.servers.clients import client


@dataclass(frozen=True)
class MotoServer:
    """Address and credentials of an AWS that lives in this process."""

    endpoint_url: str
    access_key: str = "snowmelt"
    secret_key: str = "secret"
    region: str = "us-east-1"

    def client(self, service: str, **config: Any) -> Any:
        return client(
            service,
            endpoint_url=self.endpoint_url,
            access_key=self.access_key,
            secret_key=self.secret_key,
            region=self.region,
            **config,
        )


def start_moto() -> tuple[ThreadedMotoServer, MotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return server, MotoServer(endpoint_url=f"http://{host}:{port}")
