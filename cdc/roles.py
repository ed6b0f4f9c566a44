"""Which policy of ours grants an action on tables and streams. Pure.

Names are those of `terraform/modules/policies`; tests compare the two.
"""

from __future__ import annotations

POLICIES_AT = "terraform/modules/policies"

_ON_TABLE = ("stream_reader", "kinesis_reader")
POLICY_OF: dict[str, tuple[str, ...]] = {
    "dynamodb:DescribeTable": _ON_TABLE,
    "dynamodb:PutItem": ("selftest",),
    "dynamodb:DeleteItem": ("selftest",),
    "dynamodb:Scan": _ON_TABLE,
    "dynamodb:DescribeStream": ("stream_reader",),
    "dynamodb:GetShardIterator": ("stream_reader",),
    "dynamodb:GetRecords": ("stream_reader",),
    "dynamodb:DescribeKinesisStreamingDestination": ("kinesis_reader",),
    "dynamodb:GetItem": ("kinesis_reader",),
    "kinesis:DescribeStreamSummary": ("kinesis_reader",),
    "kinesis:ListShards": ("kinesis_reader",),
    "kinesis:GetShardIterator": ("kinesis_reader",),
    "kinesis:GetRecords": ("kinesis_reader",),
}


def granted_by(action: str, policies: tuple[str, ...] | None = None) -> str:
    """Which policy has the action, for people; empty if none of ours has."""
    found = POLICY_OF.get(action, ()) if policies is None else policies
    if not found:
        return ""
    names = " and ".join((", ".join(found[:-1]), found[-1])) if len(found) > 1 else found[0]
    has = "have" if len(found) > 1 else "has"
    return f"{'policies' if len(found) > 1 else 'policy'} {names} of {POLICIES_AT} {has} it"
