"""moto's server in this process: quick, forgiving, not a judge of stream semantics."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer
from werkzeug.wsgi import ClosingIterator

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


@contextmanager
def running_moto() -> Iterator[MotoServer]:
    """All servers of a process have one memory; when this one ends, nothing stays in it.

    It answers one request at a time: moto looks at a condition and writes in two steps.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        http: Any = server._server
        http.app = _one_at_a_time(http.app)
        yield MotoServer(endpoint_url=f"http://{host}:{port}")
    finally:
        server.stop()
        moto_api_backend.reset()


def _one_at_a_time(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    lock = threading.Lock()

    def answer(*request: Any) -> Iterable[bytes]:
        with lock:
            body = ClosingIterator(app(*request))
            try:
                return list(body)
            finally:
                body.close()

    return answer
