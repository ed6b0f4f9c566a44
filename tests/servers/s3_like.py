"""A dictionary that speaks enough S3, with the faults of real stores to choose from.

Signatures are not looked at. `honours` names the conditional headers that it does not ignore.
"""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from tests.servers.scripted import Answer, Request, Respond, ScriptedServer, scripted_server

CONDITIONS = ("if-none-match", "if-match")
_LIST = "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>"
_ENTRY = (
    "<Contents><Key>{}</Key><Size>{}</Size><ETag>{}</ETag>"
    "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
)


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def _error(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code></Error>".encode())


def _one_at_a_time(respond: Respond) -> Respond:
    """A condition is judged and its write done in two steps."""
    lock = threading.Lock()

    def answer(request: Request) -> Answer:
        with lock:
            return respond(request)

    return answer


@contextlib.contextmanager
def s3_like(honours: tuple[str, ...] = CONDITIONS) -> Iterator[ScriptedServer]:
    objects: dict[str, bytes] = {}

    def lost(key: str, request: Request) -> bool:
        conditions = {name: request.headers.get(name) for name in honours}
        current = _etag(objects[key]) if key in objects else None
        if conditions.get("if-none-match") == "*" and current:
            return True
        return conditions.get("if-match") not in (None, current)

    def put(key: str, request: Request) -> Answer:
        if lost(key, request):
            return _error(412, "PreconditionFailed")
        objects[key] = request.body
        return Answer(200, b"", {"ETag": _etag(request.body)})

    def get(key: str, request: Request) -> Answer:
        if key not in objects:
            return _error(404, "NoSuchKey")
        data = objects[key]
        headers = {"ETag": _etag(data), "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        if "range" in request.headers:
            first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            return Answer(206, data[first : last + 1], headers)
        return Answer(200, data, headers)

    def respond(request: Request) -> Answer:
        address = urlsplit(request.path)
        key = unquote(address.path)
        if request.method == "PUT":
            return put(key, request)
        if request.method == "DELETE":
            objects.pop(key, None)
            return Answer(204, b"")
        if "list-type" in address.query:
            names = {name.split("/", 2)[2]: data for name, data in objects.items()}
            entries = [_ENTRY.format(name, len(d), _etag(d)) for name, d in sorted(names.items())]
            return Answer(200, _LIST.format("".join(entries)).encode())
        return get(key, request)

    with scripted_server(_one_at_a_time(respond)) as server:
        yield server
