"""Policies that lack one thing: an action of a statement, or one of its resources. Pure."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

from tests.terraform.rendering import Policy

EMPTY: Policy = {"Version": "2012-10-17", "Statement": []}


@dataclass(frozen=True)
class Less:
    """A policy that lacks one thing. `actions`: those that it may be denied by."""

    name: str
    actions: tuple[str, ...]
    policy: Policy


def lacking(policy: Policy) -> Iterator[Less]:
    """Each policy that allows one thing less."""
    seen = [policy]
    for at, statement in enumerate(policy["Statement"]):
        for member in ("Action", "Resource"):
            for each in statement[member]:
                less = deepcopy(policy)
                less["Statement"][at][member].remove(each)
                if not less["Statement"][at][member]:
                    del less["Statement"][at]
                if less in seen:
                    continue
                seen.append(less)
                name = each.partition(":::")[2].partition("/")[2] or each
                actions = (each,) if member == "Action" else tuple(statement["Action"])
                yield Less(f"{statement['Sid']} {name}", actions, less)


def of_service(policy: Policy, service: str) -> Policy:
    """The statements about one service alone, such as `s3`."""
    kept = [each for each in policy["Statement"] if each["Action"][0].startswith(f"{service}:")]
    return {**policy, "Statement": kept}
