"""Clients of AWS: their parameters, credentials, time-outs, and the clock of the services.

botocore is imported when the first client is made (0.5 s), never by importing this module. Service
models are read once for the process; a session is cheap after that, so `AwsClients.reset` can drop
one whose credentials were refused and look for credentials again from the start of the chain.

Endpoints: an explicit one wins, else the SDK's own AWS_ENDPOINT_URL_* variables, else the region's.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Literal
from urllib.parse import urlsplit

from cdc.credential_chain import faults
from cdc.raw_calls import RawCalls

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 60
MOST_CONNECTIONS = 64  # kept open for each service; a thread that finds none opens its own
_CLOCK_SAMPLES = 9
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
# By the names that botocore gives to its credential providers.
_PROVIDERS = {
    "env": {"env"},
    "metadata": {"assume-role-with-web-identity", "container-role", "iam-role"},
}

_building = threading.Lock()  # making sessions and clients is not thread-safe in botocore

Service = Literal["dynamodb", "dynamodbstreams", "kinesis", "sts", "s3", "lambda"]


@dataclass(frozen=True, slots=True)
class AwsParams:
    """Who asks, and where. With auth `key` both key fields are given, else the SDK's chain is used.

    `iam_role_source` narrows that chain: `env` to the environment's keys, `metadata` to roles of
    the pod, container or instance.
    """

    region: str | None = None
    auth: Literal["iam_role", "key"] = "iam_role"
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    iam_role_source: Literal["auto", "metadata", "env"] = "auto"
    endpoint_url: str | None = None
    streams_endpoint_url: str | None = None
    kinesis_endpoint_url: str | None = None

    def endpoint_of(self, service: Service) -> str | None:
        """The explicit endpoint of a service, or None for the SDK's own choice.

        Both kinds of streams follow `endpoint_url` on emulators only: an endpoint of AWS serves one
        service.
        """
        if service in ("sts", "lambda"):
            return None
        streams = {
            "dynamodbstreams": self.streams_endpoint_url,
            "kinesis": self.kinesis_endpoint_url,
        }
        if service not in streams:
            return self.endpoint_url
        if streams[service]:
            return streams[service]
        host = urlsplit(self.endpoint_url or "").hostname or ""
        return None if host.endswith(_AWS_DOMAINS) else self.endpoint_url


class ServiceClock:
    """The service's time, told from the Date headers of its answers. Thread-safe.

    The offset (local minus header, seconds) is the median of the last 9, so that one slow answer
    does not move it. Date is in whole seconds, floored: `now` is early by about half a second,
    never late, as are the creation times that it is compared with.
    """

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        self._local = local
        self._offsets: deque[float] = deque(maxlen=_CLOCK_SAMPLES)
        self._lock = threading.Lock()
        self._offset_seconds = 0.0

    @property
    def offset_seconds(self) -> float:
        """Local minus service; 0 before the first answer."""
        return self._offset_seconds

    def observe(self, date_header: str | None) -> None:
        """Learn from one Date header; one that is missing or unreadable teaches nothing."""
        try:
            moment = parsedate_to_datetime(date_header or "").timestamp()
        except ValueError:
            return
        offset = self._local() - moment
        with self._lock:
            self._offsets.append(offset)
            self._offset_seconds = median(self._offsets)

    def now(self) -> float:
        """Service time, epoch seconds; the local clock before the first answer."""
        return self._local() - self._offset_seconds

    def attach(self, client: Any) -> None:
        """Learn from every answer that a botocore client gets, refusals included."""
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"response-received.{service}", self._on_response)

    def _on_response(self, response_dict: dict[str, Any] | None = None, **_: Any) -> None:
        if response_dict is not None:
            self.observe(response_dict["headers"].get("Date"))


class AwsClients:
    """The clients of one identity, made when first asked for. Thread-safe.

    Making one raises what botocore raises (no region, unusable endpoint, unknown profile).
    `prepare` is called with each new client.
    """

    def __init__(
        self, params: AwsParams, clock: ServiceClock, prepare: Callable[[Any], None]
    ) -> None:
        self._params = params
        self._clock = clock
        self._prepare = prepare
        self._session: Any = None
        self._clients: dict[Service, Any] = {}
        self._raw: dict[Service, RawCalls] = {}

    def get(self, service: Service) -> Any:
        """The client of a service."""
        client = self._clients.get(service)
        if client is None:
            with _building:
                client = self._clients.get(service) or self._make(service)
                self._clients[service] = client
        return client

    def raw(self, service: Service) -> RawCalls:
        """The calls of a service whose answers are taken as bytes."""
        raw = self._raw.get(service)
        if raw is None:
            client = self.get(service)
            with _building:
                if self._session is None:  # forgotten since
                    self._session = _new_session(self._params.iam_role_source)
                credentials = _credentials_of(self._session, self._params)
                raw = RawCalls(client, credentials, self._clock.observe)
                self._raw[service] = raw
        return raw

    def reset(self) -> None:
        """Forget clients and credentials; the next `get` starts over."""
        with _building:
            self._session = None
            self._clients = {}
            self._raw = {}

    def _make(self, service: Service) -> Any:
        if self._session is None:
            self._session = _new_session(self._params.iam_role_source)
        client = _make_client(self._session, service, self._params)
        self._clock.attach(client)
        self._prepare(client)
        return client


def region_of(params: AwsParams) -> tuple[str | None, str]:
    """The region and the setting that it comes from; None and "" where the SDK decides.

    The SDK for Python reads AWS_DEFAULT_REGION alone; those of other languages, and what sets up
    pods, know AWS_REGION.
    """
    if params.region:
        return params.region, "the configuration or --region"
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        if os.environ.get(name):
            return os.environ[name], name
    return None, "the AWS profile"


def chain_faults(params: AwsParams) -> tuple[str, ...]:
    """What is wrong with the way to credentials that is taken here (`cdc.credential_chain`)."""
    if params.auth == "key":
        return ()
    return faults(os.environ, _fault_of_file, params.iam_role_source)


def way_of_credentials(params: AwsParams) -> str | None:
    """How credentials are found, by botocore's name; None if they are not."""
    if params.auth == "key":
        return "explicit"
    with _building:
        found = _new_session(params.iam_role_source).get_credentials()
    return None if found is None else str(found.method)


def _fault_of_file(path: str) -> str | None:
    try:
        with Path(path).open("rb"):
            return None
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def make_clients(
    service: Service, params: AwsParams, *configs: Mapping[str, Any]
) -> tuple[Any, ...]:
    """One client for each set of settings of botocore's Config, all of one identity."""
    with _building:
        session = _new_session(params.iam_role_source)
        return tuple(_make_client(session, service, params, **config) for config in configs)


def _make_client(session: Any, service: Service, params: AwsParams, **config: Any) -> Any:
    from botocore.config import Config
    from botocore.exceptions import PartialCredentialsError

    settings: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "read_timeout": READ_TIMEOUT_SECONDS,
        "retries": {"mode": "standard", "total_max_attempts": 3},
        "max_pool_connections": MOST_CONNECTIONS,
        "tcp_keepalive": True,
        # The service judges: botocore refuses the shorter sequence numbers of emulators.
        "parameter_validation": service not in ("dynamodb", "dynamodbstreams", "kinesis"),
        # Other stores answer newer checksum headers with refusals, or store them in the object.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        **config,
    }
    keys: dict[str, str | None] = {}
    if params.auth == "key":
        if not (params.access_key_id and params.secret_access_key):
            # botocore would look elsewhere and find an identity that nobody named.
            raise PartialCredentialsError(provider="configuration", cred_var="both keys")
        keys = {
            "aws_access_key_id": params.access_key_id,
            "aws_secret_access_key": params.secret_access_key,
            "aws_session_token": params.session_token,
        }
    return session.create_client(
        service,
        region_name=region_of(params)[0],
        endpoint_url=params.endpoint_of(service),
        config=Config(**settings),
        **keys,
    )


def _credentials_of(session: Any, params: AwsParams) -> Any:
    """What a client of this session signs with; None if nothing is found."""
    from botocore.credentials import Credentials

    if params.auth == "key":
        return Credentials(params.access_key_id, params.secret_access_key, params.session_token)
    return session.get_credentials()


def _new_session(iam_role_source: str) -> Any:
    from botocore.session import Session

    session = Session()
    session.register_component("data_loader", _loader())
    wanted = _PROVIDERS.get(iam_role_source)
    if wanted is not None:
        resolver = session.get_component("credential_provider")
        resolver.providers = [each for each in resolver.providers if each.METHOD in wanted]
    return session


@cache
def _loader() -> Any:
    """The reader of service models, shared: it remembers what it has read."""
    from botocore.session import Session

    return Session().get_component("data_loader")
