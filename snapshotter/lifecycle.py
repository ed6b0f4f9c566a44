"""Which rules of a bucket would take objects of ours away: by deleting or by archiving them. Pure.

No rule by age may touch packs: the oldest are the most alive. Harmless are rules for versions that
are not current any more, for uploads that were begun, and those that ask for tags, which ours never
have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# From these an object cannot be read before it was asked for hours earlier.
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_SCRATCH = "probe/"  # may be deleted by anybody


def takers(rules: Iterable[Mapping[str, Any]], prefix: str) -> tuple[str, ...]:
    """What each of the bucket's rules does to objects below `prefix`, for those that do harm."""
    return tuple(
        f"rule {rule.get('ID') or '(without a name)'} {what} {_where(rule)}"
        for rule in rules
        if rule.get("Status") == "Enabled" and _reaches(rule, prefix)
        for what in _harm(rule)
    )


def expires_versions(rules: Iterable[Mapping[str, Any]], prefix: str) -> bool:
    """True if versions that are not current any more are deleted below `prefix`, some at least."""
    return any(
        rule.get("Status") == "Enabled"
        and _reaches(rule, prefix)
        and "NoncurrentDays" in (rule.get("NoncurrentVersionExpiration") or {})
        for rule in rules
    )


def _reaches(rule: Mapping[str, Any], prefix: str) -> bool:
    chosen = rule.get("Filter") or {}
    both = chosen.get("And") or {}
    if "Tag" in chosen or both.get("Tags"):
        return False
    of_rule = _prefix(rule)
    mine = f"{prefix}/" if prefix else ""
    if of_rule.startswith(mine + _SCRATCH):
        return False
    return mine.startswith(of_rule) or of_rule.startswith(mine)


def _prefix(rule: Mapping[str, Any]) -> str:
    chosen = rule.get("Filter") or {}
    both = chosen.get("And") or {}
    return str(chosen.get("Prefix") or both.get("Prefix") or rule.get("Prefix") or "")


def _where(rule: Mapping[str, Any]) -> str:
    prefix = _prefix(rule)
    return f"below {prefix}" if prefix else "in the whole bucket"


def _harm(rule: Mapping[str, Any]) -> list[str]:
    found = []
    expiration = rule.get("Expiration") or {}
    if "Days" in expiration:
        found.append(f"deletes objects after {expiration['Days']} days")
    elif "Date" in expiration:
        found.append(f"deletes objects on {str(expiration['Date'])[:10]}")
    for moved in rule.get("Transitions") or ():
        if moved.get("StorageClass") in _ARCHIVES:
            when = f"after {moved['Days']} days" if "Days" in moved else "on a date"
            found.append(f"moves objects to {moved['StorageClass']} {when}")
    return found
