"""The parameters of a DynamoDB dataset, in the two spellings that are in use, as one typed value.

The first spelling is the product's, the second that of the peer's connector; both mean the same.
What a known parameter asks for and Snowmelt does not do is named in a warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from snowmelt.durations import Duration, parse_duration

_STREAM_ARN = re.compile(r"arn:[^:]+:kinesis:[^:]*:[^:]*:stream/[A-Za-z0-9_.-]{1,128}")
FASTEST_POLL_SECONDS = 0.2  # the service allows 5 reads per second and shard
Behaviour = Literal["error", "ready_before_load", "ready_after_load"]

# Spelling in the file -> field of DynamoDbParameters.
SPELLINGS: dict[str, str] = {
    "dynamodb_region": "region",
    "dynamodb_aws_region": "region",
    "dynamodb_access_key_id": "access_key_id",
    "dynamodb_aws_access_key_id": "access_key_id",
    "dynamodb_secret_access_key": "secret_access_key",
    "dynamodb_aws_secret_access_key": "secret_access_key",
    "dynamodb_session_token": "session_token",
    "dynamodb_aws_session_token": "session_token",
    "dynamodb_auth": "auth",
    "dynamodb_aws_auth": "auth",
    "dynamodb_aws_iam_role_source": "iam_role_source",
    "endpoint_url": "endpoint_url",
    "dynamodb_endpoint_url": "endpoint_url",
    "dynamodb_streams_endpoint_url": "streams_endpoint_url",
    "kinesis_endpoint_url": "kinesis_endpoint_url",
    "kinesis_stream_arn": "kinesis_stream_arn",
    "dynamodb_stream_poll_interval": "poll_interval",
    "dynamodb_stream_poll_interval_ms": "poll_interval",
    "scan_interval": "poll_interval",
    "dynamodb_replication_ready_lag": "ready_lag",
    "dynamodb_stream_ready_lag_ms": "ready_lag",
    "ready_lag": "ready_lag",
    "dynamodb_stream_shard_not_found_behavior": "shard_not_found_behavior",
    "lag_exceeds_shard_retention_behavior": "shard_not_found_behavior",
    "dynamodb_replication_invalid_checkpoint_behavior": "shard_not_found_behavior",
    "near_expired": "near_expired",
    "near_expired_after": "near_expired_after",
    "expired_after": "expired_after",
    "scan_segments": "scan_segments",
    "scan_max_rcu": "scan_max_rcu",
    "max_calls_per_s": "max_calls_per_s",
    "allow_empty": "allow_empty",
}
MILLISECONDS = frozenset({"dynamodb_stream_poll_interval_ms", "dynamodb_stream_ready_lag_ms"})
# Accepted because the peer's files have them, without effect here; the value says why.
WITHOUT_EFFECT: dict[str, str] = {
    "schema_infer_max_records": "columns follow the data; nothing is inferred from a sample",
    "unnest_depth": "nested attributes are kept as JSON",
    "time_format": "text stays text; cast it in SQL",
    "dynamodb_replication_initial_snapshot": "a bootstrap is made when no snapshot can be used",
    "write_parallelism": "Snowmelt never writes to the table",
}


def _restart_means_reload(value: Any) -> Any:
    # The peer's `restart` is a fresh load before serving.
    return "ready_after_load" if value == "restart" else value


def _segments(value: Any) -> Any:
    return None if value == "auto" else value


class DynamoDbParameters(BaseModel):
    """Where the table is, who reads it, and how eagerly."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    auth: Literal["iam_role", "key"] = "iam_role"
    iam_role_source: Literal["auto", "metadata", "env"] = "auto"
    endpoint_url: str | None = None
    streams_endpoint_url: str | None = None
    kinesis_endpoint_url: str | None = None
    kinesis_stream_arn: str | None = None
    poll_interval: Duration = 0.25
    ready_lag: Duration = 2.0
    shard_not_found_behavior: Annotated[Behaviour, BeforeValidator(_restart_means_reload)] = "error"
    near_expired: Literal["recover", "try_resume"] = "recover"
    near_expired_after: Duration = 18 * 3600.0
    expired_after: Duration = 24 * 3600.0
    scan_segments: Annotated[
        Annotated[int, Field(ge=1, le=1_000_000)] | None, BeforeValidator(_segments)
    ] = None
    scan_max_rcu: Annotated[float, Field(gt=0)] | None = None
    max_calls_per_s: Annotated[float, Field(gt=0)] = 1_000.0
    allow_empty: bool = False

    @field_validator("endpoint_url", "streams_endpoint_url", "kinesis_endpoint_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return checked_url(value)

    @field_validator("kinesis_stream_arn")
    @classmethod
    def _is_stream(cls, value: str | None) -> str | None:
        if value is not None and not _STREAM_ARN.fullmatch(value):
            raise ValueError(
                "is not the ARN of a stream: arn:aws:kinesis:REGION:ACCOUNT:stream/NAME"
            )
        return value

    @model_validator(mode="after")
    def _keys_for_auth_key(self) -> DynamoDbParameters:
        if self.auth == "key" and not (self.access_key_id and self.secret_access_key):
            needed = "dynamodb_access_key_id and dynamodb_secret_access_key"
            raise ValueError(f"dynamodb_auth is key, so {needed} are needed")
        if self.near_expired_after > self.expired_after:
            raise ValueError("near_expired_after is beyond expired_after; make it shorter")
        return self


def checked_url(value: str | None) -> str | None:
    """The URL of an endpoint. Raises ValueError."""
    if value is not None and not value.startswith(("http://", "https://")):
        raise ValueError("is not a URL; begin with https:// or http://")
    return value


@dataclass(slots=True)
class Read:
    """Parameters as fields of DynamoDbParameters, and what is to be said about them.

    `spelled`: field -> path in the file. `unknown`: spellings that nobody knows.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def read(params: dict[str, Any], path: str) -> Read:
    """Translate the spellings of a file. `path`: of the parameters, for lines."""
    found = Read()
    for name, value in params.items():
        where = f"{path}.{name}"
        if name in WITHOUT_EFFECT:
            found.warnings.append(f"{where}: has no effect ({WITHOUT_EFFECT[name]})")
        elif name not in SPELLINGS:
            found.unknown.append(str(name))
        elif value is None:
            continue
        elif SPELLINGS[name] in found.fields:
            other = found.spelled[SPELLINGS[name]].rpartition(".")[2]
            found.problems.append(f"{where}: means the same as {other}; keep one of the two")
        elif name in MILLISECONDS and not str(value).isdecimal():
            found.problems.append(f"{where}: must be a whole number of milliseconds")
        else:
            is_milliseconds = name in MILLISECONDS
            found.fields[SPELLINGS[name]] = f"{value}ms" if is_milliseconds else value
            found.spelled[SPELLINGS[name]] = where
    if "auth" not in found.fields and "access_key_id" in found.fields:
        found.fields["auth"] = "key"
    _judge_poll_interval(found)
    return found


def _judge_poll_interval(found: Read) -> None:
    try:
        seconds = parse_duration(found.fields.get("poll_interval"))
    except ValueError:
        return
    if seconds == 0:
        # The peer's default 0 s still sleeps 500 ms after an empty poll; ours is adaptive.
        del found.fields["poll_interval"]
    elif seconds < FASTEST_POLL_SECONDS:
        where = found.spelled["poll_interval"]
        found.warnings.append(f"{where}: under 200ms is limited to 5 reads per second and shard")
