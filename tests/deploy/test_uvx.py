"""The first minute with Snowmelt: a machine with uv alone, and nothing installed before."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.deploy.uv_alone import ROOT, run, uv, uvx
from tests.servers.moto import MotoServer

pytestmark = pytest.mark.network


def test_the_demo_brings_what_it_needs_and_ends_with_equal_copies(tmp_path: Path) -> None:
    ended = uvx("snowmelt", "demo", "--rows", "200", "--changes", "20", home=tmp_path)

    assert ended.code == 0, ended.errors
    assert "all three are equal" in ended.output
    assert re.search(r"uv brings the embedded AWS: snowmelt\[demo\] @ file://", ended.errors)
    assert "Traceback" not in ended.errors


def test_the_preflight_runs_without_the_extra(tmp_path: Path, moto_server: MotoServer) -> None:
    moto_server.client("dynamodb").create_table(
        TableName="pipelines",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    arguments = ["--table", "pipelines", "--region", moto_server.region]
    arguments += ["--endpoint-url", moto_server.endpoint_url]
    arguments += ["--location", f"file://{tmp_path / 'bucket'}", "--json"]

    ended = uvx(
        *("snowmelt", "doctor", *arguments),
        home=tmp_path,
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
    )

    assert ended.code == 0, ended.errors + ended.output
    checks = {line["check"]: line["verdict"] for line in json.loads(ended.output)["findings"]}
    assert checks["table"] == "ok"


def test_what_was_changed_since_is_run_and_not_what_uv_built_first(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("cdc", "snapshotter", "restorer", "snowmelt"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    install = [uv(), "pip", "install", "--quiet", "--no-deps", "--target"]
    before = run([*install, str(tmp_path / "before"), str(source)], tmp_path)
    code = source / "snowmelt" / "__init__.py"
    code.write_text(re.sub(r'__version__ = ".*"', '__version__ = "7.7.7"', code.read_text()))

    after = run([*install, str(tmp_path / "after"), str(source)], tmp_path)

    assert (before.code, after.code) == (0, 0), before.errors + after.errors
    assert "7.7.7" not in (tmp_path / "before" / "snowmelt" / "__init__.py").read_text()
    assert "7.7.7" in (tmp_path / "after" / "snowmelt" / "__init__.py").read_text()
