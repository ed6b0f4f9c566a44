"""boto3 clients for servers on loopback."""

import threading
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

_building = threading.Lock()  # a session builds clients in one thread at a time


@cache
def _session() -> Any:
    """One session: a new one reads the service models again, 0.2 s for each client."""
    return boto3.session.Session()


def client(
    service: str,
    *,
    endpoint_url: str,
    access_key: str,
    secret_key: str,
    region: str,
    **config: Any,
) -> Any:
    """A client with few retries: on loopback a failure is a finding.

    Shapes of `config` are those of botocore's Config.
    """
    settings = {
        "connect_timeout": 30,
        "read_timeout": 60,
        "retries": {"mode": "standard", "total_max_attempts": 2},
        "max_pool_connections": 32,
        **config,
    }
    with _building:
        return _session().client(
            service,
            endpoint_url=endpoint_url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name=region,
            config=Config(**settings),
        )
