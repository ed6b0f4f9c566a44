"""What botocore raises, told in the words of `cdc.errors`: one function for all sources.

A message is one line: action, resource, place, and the first line of what the service said (further
lines of a signature error repeat the request with its session token). Codes are those of the API
references of DynamoDB, its Streams and Kinesis, and what DynamoDB Local and others answer instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from botocore import exceptions as boto

from cdc import guidance
from cdc.errors import (
    AccessDenied,
    CdcError,
    CredentialsRejected,
    IteratorExpired,
    Permanent,
    ShardNotFound,
    SourceUnreachable,
    StreamDisabled,
    TableNotFound,
    Throttled,
    Trimmed,
)

_KINDS: dict[type[CdcError], tuple[str, ...]] = {
    Throttled: (
        "BandwidthLimitExceeded",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ),
    CredentialsRejected: (
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    ),
    AccessDenied: (
        "AccessDenied",
        "AccessDeniedException",
        "KMSAccessDeniedException",
        "NotAuthorized",
        "OptInRequired",
        "SubscriptionRequiredException",
    ),
    SourceUnreachable: (
        "InternalFailure",
        "InternalServerError",
        "RequestTimeout",
        "ServiceUnavailable",
    ),
    Trimmed: ("TrimmedDataAccessException",),
    IteratorExpired: ("ExpiredIteratorException",),
}
_KIND_OF_CODE = {code: kind for kind, codes in _KINDS.items() for code in codes}
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.MetadataRetrievalError,
    boto.ProfileNotFound,
    boto.SSOError,
    boto.LoginError,
    boto.InvalidConfigError,
)
_AGENT = "container-role"  # the provider of EKS Pod Identity
_AGENT_HINT = (
    "EKS Pod Identity and ECS are asked at that address: does the add-on eks-pod-identity-agent "
    "run on this node, and does a network policy or the host's network keep the pod from it?"
)
_NETWORK = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.ChecksumError,
    boto.IncompleteReadError,
)
_NO_REGION = (boto.NoRegionError, boto.InvalidRegionError, boto.EndpointProviderError)
_TABLE_ACTIONS = {"DescribeTable", "DescribeKinesisStreamingDestination", "GetItem", "Scan"}
_ANY_RESOURCE = {"lambda", "sts"}  # what a preflight asks there cannot be narrowed
_STREAM_ACTIONS = {"DescribeStream", "DescribeStreamSummary", "ListShards"}
# How the services begin what they say of a stream, not of a shard, that is missing.
_NO_STREAM = ("Requested resource not found: Stream", "Stream ")
_INVALID = ("ValidationException", "InvalidArgumentException")
_MOST_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked of whom. `action` as in IAM without its `prefix`, e.g. GetRecords.

    `region_from`: the setting that the region came from.
    """

    action: str
    resource: str
    region: str
    endpoint: str
    prefix: str = "dynamodb"
    region_from: str = ""

    @property
    def table(self) -> str:
        return self.resource.rpartition(" of ")[2]

    @property
    def as_in_policies(self) -> str:
        """The resource as a policy names it: tables and their streams, never shards."""
        name = self.table.rpartition(" ")[2]
        if self.prefix in _ANY_RESOURCE:
            return "*"
        if self.prefix == "kinesis":
            return f"the Kinesis stream of {self.table}"
        return f"table/{name}" if self.action in _TABLE_ACTIONS else f"table/{name}/stream/*"

    @property
    def where(self) -> str:
        return f"{self.prefix}:{self.action} on {self.resource} in {self.region or 'no region'}"


def translate(error: Exception, call: Call) -> CdcError:
    """The error of the contract for anything that making or using a client raises."""
    if isinstance(error, boto.ClientError):
        return _of_service(error, call)
    said = _first_line(str(error))
    if isinstance(error, _NO_CREDENTIALS) or _is_of_file(error):
        hint = _AGENT_HINT if _AGENT in said else None
        return CredentialsRejected(f"{call.where}: {said}", hint=hint)
    if isinstance(error, boto.SSLError):
        return SourceUnreachable(
            f"{call.where}: no trusted TLS connection to {call.endpoint}: {said}",
            hint="check AWS_CA_BUNDLE, an intercepting proxy and the clock",
        )
    if isinstance(error, _NETWORK):
        return SourceUnreachable(f"{call.where}: no answer from {call.endpoint}: {said}")
    if isinstance(error, _NO_REGION):
        return Permanent(
            f"{call.where}: {said}", hint="set dynamodb_region, or AWS_REGION in the environment"
        )
    return Permanent(
        f"{call.where}: {type(error).__name__}: {said}",
        hint="check region, endpoint_url and the AWS settings of this process",
    )


def _is_of_file(error: Exception) -> bool:
    """True for a file that could not be read: only a token of the credential chain is one."""
    return isinstance(error, OSError) and error.filename is not None


def _of_service(error: boto.ClientError, call: Call) -> CdcError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = _first_line(str(error.response.get("Error", {}).get("Message", "")))
    if code == "ResourceNotFoundException":
        return _not_found(said, call)
    kind = _KIND_OF_CODE.get(code) or _kind_of_status(status)
    if code in _INVALID and call.action == "GetRecords" and "iterator" in said.lower():
        kind = IteratorExpired  # a damaged iterator is replaced like an expired one
    if code in _INVALID and call.action == "GetShardIterator" and "did not come from" in said:
        kind = ShardNotFound  # a stream that was made anew has the name and the ARN of the old one
    hint = None
    if code == "KMSAccessDeniedException":
        hint = guidance.denied_key(call.table)
    elif kind is AccessDenied:
        hint = guidance.denied(call.prefix, call.action, call.as_in_policies)
    if kind is Throttled:
        hint = guidance.throttled(call.action)
    if kind is CredentialsRejected and "Signature" in code and "expired" in said.lower():
        hint = "check this machine's clock"
    if kind is SourceUnreachable:
        code = f"{call.endpoint} answered {status} {code}"
    if kind is Permanent:
        hint = "check endpoint_url and the dataset's parameters"
    return kind(f"{call.where}: {code}: {said}", hint=hint)


def _kind_of_status(status: int) -> type[CdcError]:
    if status >= 500 or status == 408:
        return SourceUnreachable
    return AccessDenied if status == 403 else Permanent


def _not_found(said: str, call: Call) -> CdcError:
    if call.action in _TABLE_ACTIONS:
        name = call.table.rpartition(" ")[2]
        return TableNotFound(
            f"{call.where}: no such table",
            hint=guidance.no_table(name, call.region, call.region_from),
        )
    if call.action in _STREAM_ACTIONS or said.startswith(_NO_STREAM):
        return StreamDisabled(f"{call.where}: no such stream: {said}")
    return ShardNotFound(f"{call.where}: {said}")


def _first_line(text: str) -> str:
    lines = text.strip().splitlines() or ["no message"]
    return lines[0][:_MOST_CHARACTERS]
