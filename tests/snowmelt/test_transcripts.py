"""What a person reads when something is wrong: one line, and a documented exit code."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter import seal, sealed
from snapshotter.format import Pointer
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.scripted import Answer, scripted_server
from tests.servers.seaweedfs import SeaweedFS
from tests.snowmelt.places import NOBODY, Place, place
from tests.snowmelt.refusals import EVERYTHING, refusing
from tests.snowmelt.transcript import GOLDEN, is_as_before
from tests.snowmelt.volumes import small_volume

QUIET = ("--progress", "none")


@pytest.fixture
def nowhere(tmp_path: Path) -> Place:
    """A node of a table that cannot be reached."""
    return place(tmp_path)


@pytest.fixture(scope="module")
def loaded(dynamodb_local_server: DynamoDBLocal, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A node with a loaded file and one snapshot in `store`. To be copied, not changed."""
    server = dynamodb_local_server.alone()
    table = server.table("pipelines", keys=(("pk", "S"), ("sk", "S")))
    for number in range(20):
        noise = random.Random(number).randbytes(8_000)  # in all more than a small volume holds
        item = {"pk": {"S": f"route#{number}"}, "sk": {"S": "v#1"}, "config": {"B": noise}}
        server.dynamodb().put_item(TableName=table.name, Item=item)
    made = place(tmp_path_factory.mktemp("loaded"), table.name, server)
    made.store_at(f"file://{made.home}/store")
    for arguments in (("bootstrap", *QUIET), ("snapshots", "create")):
        ended = made.run(*arguments, "-c", "node.yaml")
        assert ended.code == 0, ended.errors
    return made


@pytest.fixture
def copied(loaded: Place, tmp_path: Path) -> Place:
    """The same in a directory of its own, without the file."""
    shutil.copytree(loaded.home / "store", tmp_path / "store")
    made = Place(tmp_path, dict(loaded.names), json.loads(json.dumps(loaded.config)))
    made.store_at(f"file://{tmp_path}/store")
    return made


def pointer_file(where: Place) -> Path:
    return where.home / "store/pipelines/head.json"


def rewrite_pointer(where: Place, change: Callable[[Pointer], Pointer]) -> None:
    pointer = sealed.decode_pointer(pointer_file(where).read_bytes(), "pipelines")
    pointer_file(where).write_bytes(sealed.encode_pointer(change(pointer)))


# ---------------------------------------------------------------- command line and file


def test_typos_in_the_file(nowhere: Place) -> None:
    nowhere.config["naem"] = "x"
    nowhere.params["dynamodb_regoin"] = "eu-west-1"
    nowhere.acceleration["engine"] = "duckdbx"

    ended = nowhere.run("config", "check", "-c", "node.yaml")

    is_as_before("config-typos", ended, {})
    assert (ended.code, len(ended.errors)) == (2, 3)


def test_wrong_types_in_the_file(nowhere: Place) -> None:
    nowhere.dataset["name"] = 7
    nowhere.acceleration["enabled"] = "perhaps"
    nowhere.params["scan_segments"] = "many"
    nowhere.params["ready_lag"] = 2
    nowhere.params["dynamodb_secret_access_key"] = ["hush", "hush"]
    nowhere.config["runtime"] = []

    ended = nowhere.run("config", "check", "-c", "node.yaml")

    is_as_before("config-wrong-types", ended, {})
    assert (ended.code, len(ended.errors)) == (2, 6)


def test_a_missing_environment_variable(nowhere: Place) -> None:
    nowhere.params["dynamodb_secret_access_key"] = "${secrets:TABLE_SECRET}"

    nowhere.tells("config-missing-secret", "config", "check", code=2)


def test_a_missing_configuration_file(tmp_path: Path, nowhere: Place) -> None:
    ended = nowhere.run("run", "-c", "nowhere.yaml")

    is_as_before("config-missing-file", ended, {})
    assert (ended.code, len(ended.errors)) == (2, 1)


@pytest.mark.parametrize(
    "name, arguments",
    {
        "usage-verb": ("frobnicate",),
        "usage-option": ("restore", "--snapshots", "x"),
        "usage-time": ("restore", "-c", "node.yaml", "--at", "yesterday"),
        "usage-location-alone": ("restore", "--location", "s3://bucket/prefix"),
        "usage-no-such-dataset": ("explain", "-c", "node.yaml", "--dataset", "routes"),
        "usage-wait": ("restore", "-c", "node.yaml", "--wait-for-snapshot", "soon"),
        "usage-no-snapshots": ("snapshots", "list", "-c", "node.yaml"),
    }.items(),
)
def test_an_impossible_command_line(name: str, arguments: tuple[str, ...], nowhere: Place) -> None:
    ended = nowhere.run(*arguments)

    is_as_before(name, ended, {str(nowhere.home): "HOME"})
    assert (ended.code, len(ended.errors)) == (2, 1)


# ---------------------------------------------------------------- the table


def test_dynamodb_local_without_the_table(dynamodb_local: DynamoDBLocal, tmp_path: Path) -> None:
    place(tmp_path, "nowhere", dynamodb_local).tells("table-missing", "bootstrap", *QUIET, code=7)


def test_dynamodb_local_in_another_region(dynamodb_local: DynamoDBLocal, tmp_path: Path) -> None:
    node = place(tmp_path, dynamodb_local.table().name, dynamodb_local)
    node.params["dynamodb_region"] = "eu-west-1"

    node.tells("table-wrong-region", "bootstrap", *QUIET, code=7)


def test_dynamodb_local_table_without_a_stream(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    node = place(tmp_path, dynamodb_local.table(view=None).name, dynamodb_local)

    node.tells("table-without-stream", "bootstrap", *QUIET, code=7)


def test_dynamodb_local_stream_of_keys_only(dynamodb_local: DynamoDBLocal, tmp_path: Path) -> None:
    node = place(tmp_path, dynamodb_local.table(view="KEYS_ONLY").name, dynamodb_local)

    node.tells("table-stream-of-keys", "bootstrap", *QUIET, code=7)


def test_a_table_that_cannot_be_reached(nowhere: Place) -> None:
    nowhere.tells("table-unreachable", "bootstrap", *QUIET, code=7)


def test_no_region(nowhere: Place) -> None:
    del nowhere.params["dynamodb_region"]

    nowhere.tells("table-no-region", "bootstrap", *QUIET, code=7)


def test_no_credentials(nowhere: Place) -> None:
    del nowhere.params["dynamodb_access_key_id"]
    del nowhere.params["dynamodb_secret_access_key"]

    nowhere.tells("table-no-credentials", "bootstrap", *QUIET, code=9)


@pytest.mark.parametrize(
    "action", ["DescribeTable", "DescribeStream", "GetShardIterator", "GetRecords", "Scan"]
)
def test_dynamodb_local_with_a_permission_missing(
    action: str, dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    node = place(tmp_path, dynamodb_local.table().name, dynamodb_local)
    message = f"User: arn:aws:iam::123456789012:user/a is not authorized to perform: {action}"

    with refusing(dynamodb_local, action, code="AccessDeniedException", message=message) as server:
        node.params["endpoint_url"] = server.endpoint_url
        ended = node.tells(f"denied-{action}", "bootstrap", *QUIET, code=9)

    assert f"dynamodb:{action}" in ended.errors[0]


def test_dynamodb_local_with_expired_credentials(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    node = place(tmp_path, dynamodb_local.table().name, dynamodb_local)
    message = "The security token included in the request is expired"

    with refusing(
        dynamodb_local, EVERYTHING, code="ExpiredTokenException", message=message
    ) as server:
        node.params["endpoint_url"] = server.endpoint_url
        node.tells("credentials-expired", "bootstrap", *QUIET, code=9)


def test_dynamodb_local_after_the_permission_was_given_the_bootstrap_goes_on(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    node = place(tmp_path, dynamodb_local.table().name, dynamodb_local)
    with refusing(dynamodb_local, "DescribeStream", code="AccessDeniedException") as server:
        node.params["endpoint_url"] = server.endpoint_url
        assert node.run("bootstrap", "-c", "node.yaml").code == 9
    node.params["endpoint_url"] = dynamodb_local.endpoint_url

    assert node.run("bootstrap", "-c", "node.yaml").code == 0


def test_dynamodb_local_table_that_was_made_anew(
    copied: Place, dynamodb_local: DynamoDBLocal
) -> None:
    other = dynamodb_local.table("pipelines", keys=(("pk", "S"), ("sk", "S")))
    copied.names[other.name] = "OTHER"
    copied.dataset["from"] = f"dynamodb:{other.name}"
    copied.params["dynamodb_access_key_id"] = dynamodb_local.access_key

    copied.tells("table-of-another-lineage", "restore", *QUIET, code=3)


# ---------------------------------------------------------------- the store


def test_a_store_that_cannot_be_reached(nowhere: Place) -> None:
    nowhere.store_at(
        "s3://bucket/prefix",
        s3_endpoint=f"http://{NOBODY}",
        s3_region="us-east-1",
        s3_key="AKIDEXAMPLE",
        s3_secret="hush",
    )

    nowhere.tells("store-unreachable", "restore", "--no-bootstrap", *QUIET, code=8)


def at_seaweedfs(node: Place, server: SeaweedFS, bucket: str, *, key: str, secret: str) -> None:
    node.names[bucket] = "BUCKET"
    node.store_at(
        f"s3://{bucket}/nodes",
        s3_endpoint=server.endpoint_url,
        s3_region=server.region,
        s3_key=key,
        s3_secret=secret,
    )


def test_seaweedfs_without_the_bucket(nowhere: Place, seaweedfs: SeaweedFS) -> None:
    at_seaweedfs(
        nowhere,
        seaweedfs,
        "no-such-bucket",
        key=seaweedfs.access_key,
        secret=seaweedfs.secret_key,
    )

    nowhere.tells("store-no-bucket", "snapshots", "list", code=2)


def test_seaweedfs_with_a_wrong_key(nowhere: Place, seaweedfs: SeaweedFS) -> None:
    at_seaweedfs(nowhere, seaweedfs, seaweedfs.bucket(), key="stranger", secret="hush")

    nowhere.tells("store-wrong-key", "snapshots", "list", code=9)


def test_seaweedfs_with_a_wrong_secret(nowhere: Place, seaweedfs: SeaweedFS) -> None:
    at_seaweedfs(nowhere, seaweedfs, seaweedfs.bucket(), key=seaweedfs.access_key, secret="hush")

    nowhere.tells("store-wrong-secret", "restore", "--no-bootstrap", *QUIET, code=9)


def test_seaweedfs_that_may_only_be_read(
    copied: Place, loaded: Place, seaweedfs: SeaweedFS
) -> None:
    shutil.copy(loaded.file, copied.file)
    at_seaweedfs(
        copied,
        seaweedfs,
        seaweedfs.bucket(),
        key=seaweedfs.read_only_access_key,
        secret=seaweedfs.read_only_secret_key,
    )

    ended = copied.tells("denied-PutObject", "snapshots", "create", code=9)

    assert "s3:PutObject" in ended.errors[0]


def test_a_store_without_the_permission_to_read(nowhere: Place) -> None:
    denied = Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
    with scripted_server(lambda _: denied) as server:
        nowhere.store_at(
            "s3://bucket/nodes",
            s3_endpoint=server.endpoint_url,
            s3_region="us-east-1",
            s3_key="AKIDEXAMPLE",
            s3_secret="hush",
        )
        ended = nowhere.tells("denied-GetObject", "restore", "--no-bootstrap", *QUIET, code=9)

    assert "s3:GetObject" in ended.errors[0]
    assert "s3:ListBucket" in ended.errors[0]


# ---------------------------------------------------------------- snapshots


def test_nothing_to_restore(nowhere: Place) -> None:
    nowhere.store_at(f"file://{nowhere.home}/store")

    nowhere.tells("nothing-to-restore", "restore", "--no-bootstrap", *QUIET, code=4)


def test_no_snapshot_to_list(nowhere: Place) -> None:
    nowhere.store_at(f"file://{nowhere.home}/store")

    nowhere.tells("nothing-to-list", "snapshots", "list", code=4)


def test_no_snapshot_in_time(nowhere: Place) -> None:
    nowhere.store_at(f"file://{nowhere.home}/store")

    nowhere.tells(
        "wait-timed-out",
        "restore",
        "--no-bootstrap",
        "--wait-for-snapshot",
        "100ms",
        *QUIET,
        code=13,
    )


def test_dynamodb_local_no_such_snapshot(copied: Place) -> None:
    copied.tells(
        "no-such-snapshot",
        "restore",
        "--snapshot",
        "000001-000000000001-20260101T000000000Z",
        *QUIET,
        code=4,
    )


def test_dynamodb_local_a_corrupt_snapshot_and_no_other(copied: Place) -> None:
    (pack,) = (copied.home / "store").rglob("*.pack")
    data = bytearray(pack.read_bytes())
    data[0] ^= 1
    pack.write_bytes(data)

    copied.tells("corrupt", "restore", "--no-bootstrap", *QUIET, code=5)
    assert not copied.file.exists()


def test_dynamodb_local_a_corrupt_pointer(copied: Place) -> None:
    pointer = pointer_file(copied)
    pointer.write_bytes(pointer.read_bytes().replace(b"pipelines", b"pipelinez", 1))

    copied.tells("corrupt-pointer", "snapshots", "list", code=5)


def test_dynamodb_local_an_expired_checkpoint(copied: Place) -> None:
    rewrite_pointer(
        copied,
        lambda pointer: replace(
            pointer,
            catalog=tuple(
                replace(entry, resumable_until=entry.created_at - 60) for entry in pointer.catalog
            ),
        ),
    )

    copied.tells("expired", "restore", *QUIET, code=6)


def test_dynamodb_local_a_snapshot_of_the_other_engine(copied: Place) -> None:
    copied.acceleration["engine"] = "sqlite"
    copied.acceleration["path"] = "pipelines.sqlite"

    copied.tells("other-engine", "restore", "--no-bootstrap", *QUIET, code=11)


def test_dynamodb_local_a_pointer_of_a_newer_format(copied: Place) -> None:
    pointer_file(copied).write_bytes(seal.seal({"format": 99, "surprise": True}, "blake3"))

    copied.tells("newer-format", "restore", "--no-bootstrap", *QUIET, code=11)


def test_dynamodb_local_followers_are_held(copied: Place, loaded: Place) -> None:
    older = sealed.decode_pointer(pointer_file(copied).read_bytes(), "pipelines").current
    shutil.copy(loaded.file, copied.file)
    assert copied.run("snapshots", "create", "-c", "node.yaml").code == 0
    copied.file.unlink()
    rewrite_pointer(copied, lambda pointer: replace(pointer, hold="someone investigates"))

    copied.tells("held", "restore", "--snapshot", str(older), *QUIET, code=14)


def test_dynamodb_local_a_dataset_that_is_held(copied: Place, loaded: Place) -> None:
    shutil.copy(loaded.file, copied.file)
    rewrite_pointer(copied, lambda pointer: replace(pointer, hold="someone investigates"))
    before = pointer_file(copied).read_bytes()

    copied.tells("create-held", "snapshots", "create", code=14)
    assert pointer_file(copied).read_bytes() == before  # nobody was fenced for it


# ---------------------------------------------------------------- the file


def test_a_path_below_a_file(nowhere: Place, dynamodb_local: DynamoDBLocal) -> None:
    node = place(nowhere.home, dynamodb_local.table().name, dynamodb_local)
    (node.home / "taken").write_text("a file")
    node.acceleration["path"] = "taken/pipelines.duckdb"

    node.tells("path-below-a-file", "bootstrap", *QUIET, code=2)


def test_dynamodb_local_restore_to_a_path_below_a_file(copied: Place) -> None:
    (copied.home / "taken").write_text("a file")
    copied.acceleration["path"] = "taken/pipelines.duckdb"

    copied.tells("restore-below-a-file", "restore", *QUIET, code=2)


def test_dynamodb_local_a_foreign_file_at_the_path(copied: Place) -> None:
    copied.file.write_text("the only copy of a novel")

    copied.tells("foreign-file", "restore", *QUIET, code=3)
    assert copied.file.read_text() == "the only copy of a novel"


def test_dynamodb_local_a_foreign_file_in_the_way_of_a_bootstrap(copied: Place) -> None:
    copied.file.write_text("the only copy of a novel")

    copied.tells("bootstrap-over-a-foreign-file", "bootstrap", *QUIET, code=3)
    assert copied.file.read_text() == "the only copy of a novel"


def test_dynamodb_local_a_file_that_is_loaded(copied: Place, loaded: Place) -> None:
    shutil.copy(loaded.file, copied.file)

    copied.tells("already-loaded", "bootstrap", *QUIET, code=3)


def test_dynamodb_local_a_full_disk(copied: Place) -> None:
    copied.acceleration["path"] = "small/pipelines.duckdb"
    with small_volume(copied.home / "small", "64k"):
        copied.tells("disk-full-bootstrap", "bootstrap", *QUIET, code=12)


def test_dynamodb_local_a_disk_too_small_to_restore(copied: Place) -> None:
    copied.acceleration["path"] = "small/pipelines.duckdb"
    with small_volume(copied.home / "small", "64k"):
        copied.tells("disk-full-restore", "restore", *QUIET, code=12)


# ---------------------------------------------------------------- the node


def test_no_node_to_ask(nowhere: Place) -> None:
    nowhere.tells("status-without-a-node", "status", code=8)


def test_no_node_and_no_file_to_query(nowhere: Place) -> None:
    nowhere.tells("query-without-a-file", "query", "select 1", code=2)


def test_a_port_that_is_taken(nowhere: Place) -> None:
    with scripted_server(lambda _: Answer()) as server:
        nowhere.config["runtime"]["admin"] = server.endpoint_url.removeprefix("http://")
        nowhere.tells("port-taken", "run", code=2)


def test_dynamodb_local_a_statement_that_is_refused(copied: Place, loaded: Place) -> None:
    shutil.copy(loaded.file, copied.file)

    copied.tells("query-refused", "query", "drop view pipelines", code=2)


def test_dynamodb_local_a_key_that_does_not_fit(copied: Place, loaded: Place) -> None:
    shutil.copy(loaded.file, copied.file)

    copied.tells("key-refused", "get", "route#1", code=2)


def test_dynamodb_local_an_item_that_is_not_there(copied: Place, loaded: Place) -> None:
    shutil.copy(loaded.file, copied.file)

    copied.tells("no-such-item", "get", "route#99", "v#1", code=4)


def test_dynamodb_local_a_file_that_another_process_holds(copied: Place, loaded: Place) -> None:
    shutil.copy(loaded.file, copied.file)
    script = (
        "import duckdb, sys; _ = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(copied.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        copied.tells("file-busy", "query", "select 1", code=3)
        holder.kill()


# ---------------------------------------------------------------- all of them


def test_every_transcript_belongs_to_a_test() -> None:
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    names = {file.stem for file in GOLDEN.glob("*.txt")}

    assert {name for name in names if name not in text and not name.startswith("denied-")} == set()


def test_every_transcript_says_what_to_do() -> None:
    for file in sorted(GOLDEN.glob("*.txt")):
        _, *lines, _ = file.read_text().splitlines()
        for line in lines:
            assert line.startswith("snowmelt: "), file
            assert "; " in line or ": " in line.removeprefix("snowmelt: error: "), file
