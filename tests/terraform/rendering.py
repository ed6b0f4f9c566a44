"""The policies as they are rendered for one bucket, table and key: what the tests of roles apply.

`rendered.json` is what `terraform output -json` of the module `policies` says; where Terraform is
at hand a test compares the two, so that the roles can be tried where it is not. Written anew by
`python -m tests.terraform.rendering`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.terraform.terraform import copied, initialised, succeeded

BUCKET = "snowmelt-roles"
PREFIX = "prod/eu"
DATASET = "pipelines"
REGION = "us-east-1"
ACCOUNT = "123456789012"
TABLE_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{DATASET}"

_FILE = Path(__file__).with_name("rendered.json")
_INPUTS: dict[str, Any] = {
    "bucket_name": BUCKET,
    "prefix": PREFIX,
    "datasets": [DATASET],
    "table_arns": [TABLE_ARN],
    "kinesis_stream_arns": [f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/changes"],
    "kms_key_arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f1e2d3c",
    "account_id": ACCOUNT,
    "region": REGION,
    "reader_principal_arns": ["arn:aws:iam::210987654321:role/edge"],
    "log_bucket_name": f"{BUCKET}-logs",
}

Policy = dict[str, Any]


def rendered() -> dict[str, Any]:
    """Outputs of the module by name, policies as documents."""
    document: dict[str, Any] = json.loads(_FILE.read_text())
    return document


def role_policies() -> dict[str, Policy]:
    """What each role may do."""
    policies: dict[str, Policy] = rendered()["role_policies"]
    return policies


def render(folder: Path) -> dict[str, Any]:
    """The same by Terraform, which is run in a copy below `folder`."""
    module = initialised(copied(folder) / "modules" / "policies")
    (module / "terraform.tfvars.json").write_text(json.dumps(_INPUTS))
    succeeded(module, "apply", "-auto-approve", "-input=false", "-no-color")
    outputs = json.loads(succeeded(module, "output", "-json"))
    return {name: _parsed(output["value"]) for name, output in outputs.items()}


def _parsed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _parsed(member) for name, member in value.items()}
    return None if value is None else json.loads(value)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        document = render(Path(scratch))
    _FILE.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
