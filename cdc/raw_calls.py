"""Calls signed here, with their answers as bytes: GetRecords, iterators, Scan, GetItem.

A poll through botocore takes 1 ms of CPU, through this a third of it, so that a thousand open
shards fit beside the decoder. All that decides where a request goes and who sends it stays
botocore's: the client's HTTP session (its pool, TLS settings, CA bundle and proxies), its endpoint
(asked for once, by a presigned URL), its credentials (refreshed when they are asked for), and its
judgement whether and when a failed call is repeated. What goes wrong is raised as botocore raises
it; who calls translates.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from cdc.signing import Keys, Place, signed_headers
from cdc.whole import DamagedAnswer, fault_of

# Any request of the service shows its endpoint; these have no further meaning. Kinesis takes a
# stream's name where Streams take its ARN.
_SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "GetRecords": ("get_records", {"ShardIterator": "any"}),
    "GetShardIterator": (
        "get_shard_iterator",
        {"StreamArn": "any", "StreamName": "any", "ShardId": "any", "ShardIteratorType": "LATEST"},
    ),
    "GetItem": ("get_item", {"TableName": "any", "Key": {"any": {"S": "any"}}}),
    "Scan": ("scan", {"TableName": "any"}),
}


class RawCalls:
    """Calls by one client's settings. Thread-safe.

    `credentials`: botocore's, None where its chain found none. `observe` gets the Date header of
    every answer.
    """

    def __init__(
        self, client: Any, credentials: Any, observe: Callable[[str | None], None]
    ) -> None:
        from botocore.parsers import create_parser

        model = client.meta.service_model
        self._client = client
        self._credentials = credentials
        self._observe = observe
        self._session = client._endpoint.http_session  # noqa: SLF001 - it has no public name
        self._agent = client.meta.config.user_agent
        self._service = model.service_id.hyphenize()
        self._target = model.metadata["targetPrefix"]
        self._content_type = f"application/x-amz-json-{model.metadata['jsonVersion']}"
        self._parser = create_parser(model.resolved_protocol)
        self._places: dict[str, Place] = {}
        self._finding = threading.Lock()

    def call(self, operation: str, body: bytes) -> bytes:
        """The body of a success. Raises DamagedAnswer, and what botocore raises."""
        context: dict[str, Any] = {}
        attempts = 1
        while True:
            answer, parsed, error = self._attempt(operation, body)
            if parsed is None and error is None:
                self._succeeded(operation, answer, context)
                fault = fault_of(answer.content, answer.headers)
                if fault:
                    raise DamagedAnswer(fault)
                content: bytes = answer.content
                return content
            pause = self._pause(operation, answer, parsed, error, attempts, context)
            if pause is None:
                raise error or self._refusal(operation, parsed)
            time.sleep(pause)
            attempts += 1

    def _attempt(self, operation: str, body: bytes) -> tuple[Any, Any, Exception | None]:
        """The answer, what it refuses, and what kept it away; one of the last two or none."""
        from botocore.awsrequest import AWSPreparedRequest
        from botocore.exceptions import BotoCoreError

        place = self._place(operation)
        at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        target = f"{self._target}.{operation}"
        headers = signed_headers(place, target, body, self._keys(), at)
        headers["user-agent"] = self._agent
        try:
            answer = self._session.send(
                AWSPreparedRequest("POST", place.url, headers, body, stream_output=False)
            )
        except BotoCoreError as error:  # all that botocore's session raises
            return None, None, error
        self._observe(answer.headers.get("Date"))
        if answer.status_code == 200:
            return answer, None, None
        response = {
            "status_code": answer.status_code,
            "headers": answer.headers,
            "body": answer.content,
        }
        return answer, self._parser.parse(response, None), None

    def _pause(
        self,
        operation: str,
        answer: Any,
        parsed: Any,
        error: Exception | None,
        attempts: int,
        context: dict[str, Any],
    ) -> float | None:
        """How long botocore would wait before another attempt; None: it would not make one."""
        from botocore.hooks import first_non_none_response

        waits = self._client.meta.events.emit(
            f"needs-retry.{self._service}.{operation}",
            response=None if answer is None else (answer, parsed),
            endpoint=None,
            operation=self._client.meta.service_model.operation_model(operation),
            attempts=attempts,
            caught_exception=error,
            request_dict={"context": context},
        )
        wait = first_non_none_response(waits)
        return None if wait is None or wait is False else float(wait)

    def _succeeded(self, operation: str, answer: Any, context: dict[str, Any]) -> None:
        """Give back what the retries took from botocore's quota."""
        self._client.meta.events.emit(
            f"after-call.{self._service}.{operation}",
            http_response=answer,
            parsed={},
            model=None,
            context=context,
        )

    def _refusal(self, operation: str, parsed: Any) -> Exception:
        from botocore.exceptions import ClientError

        refusal: Exception = ClientError(parsed, operation)
        return refusal

    def _keys(self) -> Keys:
        from botocore.exceptions import NoCredentialsError

        if self._credentials is None:
            raise NoCredentialsError
        frozen = self._credentials.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def _place(self, operation: str) -> Place:
        """Where botocore would send the call to, and the scope it would sign it with."""
        place = self._places.get(operation)
        if place is None:
            with self._finding:
                place = self._places[operation] = self._find(operation)
        return place

    def _find(self, operation: str) -> Place:
        method, sample = _SAMPLES[operation]
        known = self._client.meta.service_model.operation_model(operation).input_shape.members
        arguments = {name: value for name, value in sample.items() if name in known}
        url = urlsplit(
            self._client.generate_presigned_url(method, Params=arguments, HttpMethod="POST")
        )
        scope = parse_qs(url.query)["X-Amz-Credential"][0].split("/")
        base = urlunsplit((url.scheme, url.netloc, url.path or "/", "", ""))
        return Place(base, scope[-3], scope[-2], self._content_type)
