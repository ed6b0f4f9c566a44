"""Which way to credentials a process takes where several are open, and what is wrong with it. Pure.

The SDK takes the first that is set, in this order:

    AWS_ACCESS_KEY_ID                        keys of the environment
    AWS_WEB_IDENTITY_TOKEN_FILE              IRSA: a role named by the pod's service account
    profiles and their files                 AWS_PROFILE
    AWS_CONTAINER_CREDENTIALS_FULL_URI       EKS Pod Identity; ..._RELATIVE_URI is ECS
    the instance's role                      asked of the metadata service, if it is reached

A pod that was moved from IRSA to Pod Identity and kept its annotation has both, and IRSA wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

KEYS = "AWS_ACCESS_KEY_ID"
IRSA_TOKEN = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - the name of a variable
IRSA_ROLE = "AWS_ROLE_ARN"
POD_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
POD_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - same
ECS_URI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"

# By the name that botocore gives to the provider that found credentials.
_WAYS = {
    "env": f"keys of the environment ({KEYS})",
    "assume-role-with-web-identity": f"IRSA ({IRSA_TOKEN})",
    "assume-role": "a role that the profile assumes",
    "container-role": f"EKS Pod Identity or ECS ({POD_URI} or {ECS_URI})",
    "iam-role": "the role of the instance",
    "shared-credentials-file": "the shared credentials file",
    "config-file": "the shared configuration file",
    "custom-process": "a program that the profile names",
    "sso": "a login of IAM Identity Center",
    "explicit": "keys of the configuration",
}

# Why a file cannot be read, or None.
Fault = Callable[[str], str | None]


def way_of(method: str | None) -> str:
    """What a person calls the way by which credentials were found."""
    return _WAYS.get(method or "", method or "nothing")


def faults(environ: Mapping[str, str], fault_of: Fault, source: str = "auto") -> tuple[str, ...]:
    """What is wrong with the way that is taken, or may not be meant; a sentence each.

    `source`: `env` or `metadata` where the configuration narrows the chain to one of them.
    """
    ways = _open(environ, source)
    if not ways:
        return ()
    first, *others = ways
    found = []
    if others:
        names = " and ".join(_NAMES[way] for way in others)
        both = "both" if len(others) == 1 else "all"
        found.append(
            f"{_NAMES[first]} and {names} are {both} set, and the first wins: {_REMEDY[first]} "
            "if that is not meant"
        )
    found += _of_way(first, environ, fault_of)
    return tuple(found)


_NAMES = {
    KEYS: f"keys of the environment ({KEYS})",
    IRSA_TOKEN: f"IRSA ({IRSA_TOKEN})",
    POD_URI: f"EKS Pod Identity ({POD_URI})",
}
_REMEDY = {
    KEYS: f"take {KEYS} out of the environment",
    IRSA_TOKEN: "take the annotation eks.amazonaws.com/role-arn off the service account and "
    "make the pod anew",
}


def _open(environ: Mapping[str, str], source: str) -> list[str]:
    """Ways that are set, the one that wins first."""
    of_source = {"env": (KEYS,), "metadata": (IRSA_TOKEN, POD_URI)}
    ways = of_source.get(source, (KEYS, IRSA_TOKEN, POD_URI))
    return [way for way in ways if environ.get(way)]


def _of_way(way: str, environ: Mapping[str, str], fault_of: Fault) -> list[str]:
    if way == KEYS:
        return []
    found = []
    if way == IRSA_TOKEN and not environ.get(IRSA_ROLE):
        found.append(f"{IRSA_TOKEN} is set and {IRSA_ROLE} is not: IRSA needs both")
    variable = IRSA_TOKEN if way == IRSA_TOKEN else POD_TOKEN
    path = environ.get(variable)
    if path and (fault := fault_of(path)):
        found.append(
            f"{variable} names {path}, which {fault}: is the token's volume mounted into this "
            "container, and may this user read it?"
        )
    return found
