"""Which way requests take, as far as names and addresses tell.

Gateway endpoints, NAT gateways and the internet all lead to the same public addresses, and what a
route table says is not seen from a pod, so between these three nothing is claimed.
"""

from __future__ import annotations

import ipaddress
import socket
import urllib.request
from collections.abc import Sequence
from urllib.parse import urlsplit

from snowmelt.preflight.finding import Finding, not_known
from snowmelt.prices import US_EAST_1

_HAVE_GATEWAYS = ("dynamodb", "s3")
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def look(service: str, url: str, exit_code: int) -> Finding:
    """Resolve the endpoint's host and judge it. `exit_code`: where there is no such host."""
    host = urlsplit(url).hostname or ""
    check = f"route {service}"
    if proxy := _proxy_for(url, host):
        return not_known(check, f"{host} through the proxy {proxy}: its route is not seen")
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except OSError as error:
        hint = "check the region, the endpoint, and the name service of this machine"
        return Finding(check, "failed", f"{host}: {error.strerror or error}", hint, exit_code)
    return judge(service, host, sorted({str(one[4][0]) for one in found}))


def judge(service: str, host: str, addresses: Sequence[str]) -> Finding:
    """What addresses say of the way. `service`: dynamodb, dynamodbstreams, kinesis or s3."""
    check, data = f"route {service}", {"host": host, "addresses": list(addresses)}
    known = [ipaddress.ip_address(address.partition("%")[0]) for address in addresses]
    shown = ", ".join(addresses[:3])
    if known and all(address.is_loopback for address in known):
        return Finding(check, "ok", f"{host} is this machine ({shown})", data=data)
    if ".vpce." in host or all(address.is_private for address in known):
        detail = f"{host} has private addresses ({shown}): an interface endpoint, or a store inside"
        hint = ""
        if service in _HAVE_GATEWAYS and host.endswith(_AWS):
            hint = (
                f"an interface endpoint costs ${US_EAST_1.interface_gb} a GB, a gateway endpoint "
                "nothing"
            )
        return Finding(check, "ok", detail, hint, data=data)
    if not host.endswith(_AWS):
        return Finding(check, "ok", f"{host} has public addresses ({shown})", data=data)
    nat = f"through a NAT gateway each GB costs ${US_EAST_1.nat_gb}"
    if service in _HAVE_GATEWAYS:
        detail = f"{host} has public addresses ({shown}): by a gateway endpoint, NAT or internet"
        hint = (
            f"{nat}: see that the route tables of this subnet lead to a gateway endpoint "
            f"(com.amazonaws.REGION.{service}), which is free"
        )
    else:
        detail = f"{host} has public addresses ({shown}): by NAT or the internet"
        hint = f"{nat}; this service has interface endpoints only"
        if service == "dynamodbstreams":
            hint += ", to be named by dynamodb_streams_endpoint_url"
    return Finding(check, "not known", detail, hint, data=data)


def _proxy_for(url: str, host: str) -> str | None:
    """Host and port of the proxy that the environment names, without its password."""
    if urllib.request.proxy_bypass(host):
        return None
    found = urllib.request.getproxies().get(urlsplit(url).scheme)
    if not found:
        return None
    parts = urlsplit(found if "://" in found else f"http://{found}")
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
