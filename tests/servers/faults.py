"""What can go wrong between a client and a server, as values; `tests/servers/proxy.py` does them.

A fault changes one thing about one exchange. Those that answer by themselves (`refusal`) speak as
S3 or as DynamoDB does. A predicate (`When`) chooses the requests.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.servers.scripted import Answer, Request

When = Callable[[Request], bool]


@dataclass(frozen=True)
class Fault:
    """`drops`: the connection is reset instead, before the server is asked or after it has acted.

    `held`: of a request that was dropped so, `FaultProxy.deliver` sends it to the server later.
    `refusal` is said without asking the server. `kept`: the share of the body that is sent, after
    which the connection ends in order, or with a reset. `flips`: a bit of it.
    """

    name: str
    wait_seconds: float = 0.0
    refusal: Answer | None = None
    drops: Literal["request", "answer"] | None = None
    held: bool = False
    kept: float | None = None
    ends_by_reset: bool = False
    flips: bool = False
    bytes_per_second: int | None = None


RESET = Fault("reset", drops="request")
OVERTAKEN = Fault("overtaken", drops="request", held=True)
LOST_ANSWER = Fault("lost answer", drops="answer")
RESET_WITHIN = Fault("reset within", kept=0.5, ends_by_reset=True)
CUT_SHORT = Fault("cut short", kept=0.5)
WRONG_BYTE = Fault("wrong byte", flips=True)


def late(seconds: float) -> Fault:
    return Fault(f"late by {seconds} s", wait_seconds=seconds)


def trickle(bytes_per_second: int) -> Fault:
    return Fault(f"{bytes_per_second} bytes a second", bytes_per_second=bytes_per_second)


def s3_refusal(status: int, code: str) -> Fault:
    body = f"<Error><Code>{code}</Code><Message>Not now.</Message></Error>".encode()
    return Fault(code, refusal=Answer(status, body, {"Content-Type": "application/xml"}))


def dynamodb_refusal(status: int, code: str, message: str = "Not now.") -> Fault:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    return Fault(code, refusal=Answer(status, json.dumps(body).encode(), headers))


SLOW_DOWN = s3_refusal(503, "SlowDown")
S3_ERROR = s3_refusal(500, "InternalError")
S3_DENIED = s3_refusal(403, "AccessDenied")
THROTTLED = dynamodb_refusal(400, "ProvisionedThroughputExceededException")
DYNAMODB_ERROR = dynamodb_refusal(500, "InternalServerError")
DYNAMODB_AWAY = dynamodb_refusal(503, "ServiceUnavailable")
DYNAMODB_DENIED = dynamodb_refusal(400, "AccessDeniedException", "You may not.")


def action_of(request: Request) -> str:
    """`GetRecords` and the like; empty for S3."""
    return request.headers.get("x-amz-target", "").rpartition(".")[2]


def every(request: Request) -> bool:
    return True


def action(*names: str) -> When:
    """Calls of DynamoDB by their names."""
    return lambda request: action_of(request) in names


def on(method: str, part: str) -> When:
    """Requests with this method, and this in their path."""
    return lambda request: request.method == method and part in request.path


def every_nth(number: int) -> When:
    """The first request and each so many later; rules that share it take turns."""
    seen = itertools.count()
    last: tuple[Request | None, int] = (None, 0)

    def holds(request: Request) -> bool:
        nonlocal last
        if request is not last[0]:  # asked by several rules
            last = (request, next(seen))
        return last[1] % number == 0

    return holds
