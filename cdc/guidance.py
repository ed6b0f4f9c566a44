"""What to do about trouble with a table, in words that name settings, commands and policies. Pure.

An error's message says what happened and where; its `hint` comes from here where it depends on the
call. Resources are written as a policy writes them.
"""

from __future__ import annotations

from cdc.roles import granted_by

_UPDATE_STREAM = "aws dynamodb update-table --table-name {} --stream-specification {}"
_ENABLED = "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"

_SCAN_THROTTLED = (
    "nothing has to be done: the scan asks for smaller pages, fewer at once and more slowly until "
    "that stops; scan_max_rcu bounds the read units that it takes a second, of a refresh too, and "
    "more capacity of the table shortens it"
)
_POLL_THROTTLED = (
    "polls are repeated more slowly; a shard serves two readers well, so look for others "
    "(`snowmelt doctor` names those that it can see), or lower max_calls_per_s"
)
_LIST_THROTTLED = (
    "it is tried again; the service grants ten such calls a second for a stream, whoever asks, so "
    "look for other readers (`snowmelt doctor` names those that it can see)"
)
_THROTTLED = {
    "Scan": _SCAN_THROTTLED,
    "GetRecords": _POLL_THROTTLED,
    "GetShardIterator": _POLL_THROTTLED,
    "DescribeStream": _LIST_THROTTLED,
    "ListShards": _LIST_THROTTLED,
}


def throttled(action: str) -> str | None:
    """What is done about a throttled call, and what helps; None for what the error itself says."""
    return _THROTTLED.get(action)


def denied(service: str, action: str, resource: str) -> str:
    """What has to be allowed, where, and which policy of ours has it."""
    wanted = f"{service}:{action}"
    policy = granted_by(wanted)
    return f"allow {wanted} on {resource}{'; ' if policy else ''}{policy}"


def denied_key(resource: str) -> str:
    """The table's own key is refused, not the call."""
    return (
        f"allow kms:Decrypt on the key that {resource} is encrypted with, in the policy of this "
        "role and in that of the key"
    )


def enable_stream(table: str) -> str:
    """How to enable a table's stream."""
    command = _UPDATE_STREAM.format(table, _ENABLED)
    return (
        f"enable it with NEW_AND_OLD_IMAGES (NEW_IMAGE will do): `{command}`; or read the table "
        "anew now and then, without a stream: refresh_mode: full"
    )


def change_view(table: str) -> str:
    """How to get from a view type without new images to one that has them."""
    off = _UPDATE_STREAM.format(table, "StreamEnabled=false")
    on = _UPDATE_STREAM.format(table, _ENABLED)
    return (
        "a view type cannot be changed, so disable the stream once no other reader needs it and "
        f"enable it again with NEW_AND_OLD_IMAGES (NEW_IMAGE will do): `{off}`, then `{on}`; a "
        "file that was loaded before needs `snowmelt bootstrap --replace`"
    )


def no_table(table: str, region: str, region_from: str) -> str:
    """A table that is not there: mostly another region or account is asked."""
    asked = f"{region or 'no region'}{f' (from {region_from})' if region_from else ''}"
    return (
        f"this asked in {asked}: check the region, the account of this identity, and the name; "
        f"`aws dynamodb describe-table --table-name {table} --region REGION` finds it"
    )
