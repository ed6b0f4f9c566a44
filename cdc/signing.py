"""Signature Version 4 of a POST of JSON, as AWS's services of that kind want it. Pure.

botocore signs anything and pays for it; a poll of an idle shard is one small request whose headers
are known, so signing it takes some tens of microseconds. The key of a day is derived once.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, urlsplit

CONTENT_TYPE = "application/x-amz-json-1.0"
_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials as they are at one moment."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go. `service`: the name that signatures use, `dynamodb` for streams too."""

    url: str
    region: str
    service: str
    content_type: str = CONTENT_TYPE

    @property
    def host(self) -> str:
        """The Host header: with the port only where it is not the scheme's."""
        parts = urlsplit(self.url)
        name = parts.hostname or ""
        name = f"[{name}]" if ":" in name else name
        usual = (None, _DEFAULT_PORTS.get(parts.scheme))
        return name if parts.port in usual else f"{name}:{parts.port}"

    @property
    def path(self) -> str:
        """The path as it is signed."""
        return quote(urlsplit(self.url).path or "/", safe="/~")


def signed_headers(place: Place, target: str, body: bytes, keys: Keys, at: str) -> dict[str, str]:
    """The headers of the request. `at`: the moment as 20260131T235959Z; `target`: X-Amz-Target."""
    headers = {
        "content-type": place.content_type,
        "host": place.host,
        "x-amz-date": at,
    }
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token
    headers["x-amz-target"] = target  # in the order of names, which is the order of signing
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    names = ";".join(headers)
    digest = hashlib.sha256(body).hexdigest()
    canonical = f"POST\n{place.path}\n\n{lines}\n{names}\n{digest}"
    scope = f"{at[:8]}/{place.region}/{place.service}/aws4_request"
    text = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _key_of(keys.secret_access_key, at[:8], place.region, place.service)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return headers


@lru_cache(maxsize=16)
def _key_of(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
