"""DynamoDB as an identity sees it that may not do everything."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator

from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.scripted import Answer, Request, ScriptedServer, scripted_server

_FORWARDED = ("authorization", "content-type", "x-amz-date", "x-amz-target")
EVERYTHING = "*"


@contextlib.contextmanager
def refusing(
    server: DynamoDBLocal, *actions: str, code: str, message: str = "not allowed"
) -> Iterator[ScriptedServer]:
    """The server, except for these actions, which are refused as AWS does it."""

    def respond(request: Request) -> Answer:
        asked = request.headers["x-amz-target"].rpartition(".")[2]
        if asked in actions or EVERYTHING in actions:
            body = json.dumps({"__type": f"com.amazon.coral.service#{code}", "message": message})
            return Answer(400, body.encode())
        headers = {name: request.headers[name] for name in _FORWARDED}
        forwarded = urllib.request.Request(  # noqa: S310 - http on loopback
            server.endpoint_url, request.body, headers, method="POST"
        )
        with urllib.request.urlopen(forwarded, timeout=30) as answer:  # noqa: S310 - same
            return Answer(answer.status, answer.read())

    with scripted_server(respond) as scripted:
        yield scripted
