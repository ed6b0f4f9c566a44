"""Signed snapshots by the command: keys, marks with and without one, who refuses what."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from snapshotter.reader import read_pointer
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.signing import ANNA, BERT, EVE, KeyPair, carrying
from tests.snowmelt.command import Ended, snowmelt
from tests.snowmelt.files import problems, read

SMALL = "version: v1\ndatasets: [{{ from: dynamodb:{0}, name: {0} }}]\n"


def signing(key: KeyPair | None = None, trusted: tuple[KeyPair, ...] = ()) -> str:
    section: dict[str, str | list[str]] = {}
    if key is not None:
        section["key"] = key.private
    if trusted:
        section["trusted_keys"] = [each.public for each in trusted]
    return json.dumps(section)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    """Four snapshots, signed by Anna."""
    bucket = Bucket.at(tmp_path / "bucket")
    publisher = bucket.publisher(store=carrying(bucket.store, key=ANNA))
    for version in (1, 2, 3, 4):
        bucket.publish(publisher, bytes([version]) * 9000, version=version)
    return bucket


def run(bucket: Bucket, section: str, *words: str) -> Ended:
    home = bucket.directory.parent
    text = SMALL.format(DATASET)
    where = f"location: 'file://{bucket.directory}', keep_last: 1"
    text += f"snapshots: {{ {where}, signing: {section} }}\n"
    text += "runtime: { query: 127.0.0.1:9, admin: 127.0.0.1:9 }\n"
    (home / "node.yaml").write_text(text)
    return snowmelt(*words, "-c", "node.yaml", cwd=home)


def changes(bucket: Bucket) -> dict[str, tuple[str, ...]]:
    older = bucket.pointer().catalog[-1].snapshot_id
    return {
        "pin": ("snapshots", "pin", older),
        "quarantine": ("snapshots", "quarantine", older),
        "hold": ("snapshots", "hold"),
        "rollback": ("snapshots", "rollback", older, "--no-hold"),
        "prune": ("snapshots", "prune", "--yes"),
    }


@pytest.mark.parametrize("verb", ["pin", "quarantine", "hold", "rollback", "prune"])
def test_a_verb_signs_with_its_key_and_does_nothing_without(bucket: Bucket, verb: str) -> None:
    words, before = changes(bucket)[verb], bucket.pointer()

    without = run(bucket, signing(trusted=(ANNA,)), *words)

    assert without.code == 2
    (line,) = without.errors
    assert f"{DATASET}/head.json is signed by {ANNA.key_id}, and this node has no key" in line
    assert "set snapshots.signing.key" in line
    assert bucket.pointer() == before

    signed = run(bucket, signing(BERT, (ANNA, BERT)), *words)

    assert signed.code == 0, signed.errors
    after = read_pointer(carrying(bucket.store, trusted=(BERT,)), DATASET)
    assert after.sequence > before.sequence


@pytest.mark.parametrize(
    "words",
    [
        ("snapshots", "list"),
        ("snapshots", "pin", "000001-000000000001-20260101T000000000Z"),
        ("restore", "--no-bootstrap", "--output", "copy.duckdb"),
    ],
    ids=" ".join,
)
def test_what_a_stranger_signed_is_refused_by_each_verb(
    bucket: Bucket, words: tuple[str, ...]
) -> None:
    ended = run(bucket, signing(EVE, (BERT, EVE)), *words)

    assert ended.code == 5
    told = f"signed by {ANNA.key_id}, trusted are {BERT.key_id}, {EVE.key_id}"
    assert told in ended.errors[-1]


def test_a_restore_without_a_configuration_asks_for_a_key_too(bucket: Bucket) -> None:
    home = bucket.directory.parent
    words = ["restore", "--location", f"file://{bucket.directory}", "--dataset", DATASET]
    words += ["--output", "copy.duckdb", "--trusted-key"]

    wanted = snowmelt(*words, ANNA.public, "--dry-run", cwd=home)
    refused = snowmelt(*words, BERT.public, cwd=home)
    mistaken = snowmelt(*words, "hunter2", cwd=home)

    assert str(bucket.pointer().current) in wanted.output
    assert refused.code == 5
    assert f"signed by {ANNA.key_id}" in refused.errors[-1]
    assert mistaken.code == 2
    assert "--trusted-key is not an Ed25519 public key" in mistaken.errors[-1]


def test_a_bucket_that_was_set_back_is_refused_by_who_saw_it_newer(bucket: Bucket) -> None:
    head, home = bucket.file(f"{DATASET}/head.json"), bucket.directory.parent
    yesterday = head.read_bytes()
    (home / ".snowmelt/data" / f"{DATASET}.duckdb.d").mkdir(parents=True)
    assert run(bucket, signing(ANNA), "snapshots", "hold").code == 0
    assert run(bucket, signing(), "snapshots", "list").code == 0
    head.write_bytes(yesterday)

    ended = run(bucket, signing(), "snapshots", "list")

    assert ended.code == 5
    assert "the bucket was set back" in ended.errors[-1]
    assert f"delete {home}/.snowmelt/data/{DATASET}.duckdb.d/seen.json" in ended.errors[-1]


# ---------------------------------------------------------------- keys


def test_a_pair_of_keys_is_made_and_shown_and_never_overwritten(tmp_path: Path) -> None:
    made = snowmelt("keys", "create", "signing.pem", "--json", cwd=tmp_path)
    key_id = json.loads(made.output)["key_id"]
    again = snowmelt("keys", "create", "signing.pem", cwd=tmp_path)
    halves = ("signing.pem", "signing.pem.pub")
    shown = [snowmelt("keys", "show", name, cwd=tmp_path).output.split() for name in halves]

    assert again.code == 2
    assert shown[0] == shown[1]
    assert shown[0][0] == key_id
    assert (tmp_path / "signing.pem").stat().st_mode & 0o777 == 0o600
    secret = (tmp_path / "signing.pem").read_text().splitlines()[1]
    assert secret not in made.output + str(shown)
    text = SMALL.format("flights") + (
        "snapshots: { location: 'file:///srv/snapshots', signing: {"
        f" key: '${{file:{tmp_path}/signing.pem}}', trusted_keys: ['{shown[0][1]}'] }} }}\n"
    )
    assert read(text).config.snapshots is not None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_keys_of_openssl_are_keys(tmp_path: Path) -> None:
    made = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", "a.pem"]
    subprocess.run(made, cwd=tmp_path, check=True)
    half = ["openssl", "pkey", "-in", "a.pem", "-pubout", "-out", "a.pub"]
    subprocess.run(half, cwd=tmp_path, check=True)

    shown = [snowmelt("keys", "show", name, cwd=tmp_path) for name in ("a.pem", "a.pub")]

    assert [each.code for each in shown] == [0, 0]
    assert shown[0].output == shown[1].output


def test_what_is_no_key_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hunter2")

    for name in ("note.txt", "nowhere.pem"):
        ended = snowmelt("keys", "show", name, cwd=tmp_path)
        assert ended.code == 2
        assert len(ended.errors) == 1
        assert "hunter2" not in ended.errors[0]


# ---------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    "section, problem",
    [
        (
            '{ "key": "hunter2hunter2" }',
            "snapshots.signing.key: the value is not an Ed25519 private key in PEM, not encrypted",
        ),
        (
            '{ "trusted_keys": ["hunter2hunter2"] }',
            "snapshots.signing.trusted_keys: a list is not an Ed25519 public key in PEM",
        ),
        (
            '{ "trusted_keys": [] }',
            "snapshots.signing.trusted_keys: names none; leave it out to ask for no signature",
        ),
        (
            signing(ANNA, (BERT,)),
            f"snapshots.signing: key {ANNA.key_id} is not among trusted_keys",
        ),
    ],
)
def test_keys_that_cannot_be_used_are_one_line(section: str, problem: str) -> None:
    text = SMALL.format("flights")
    text += f"snapshots: {{ location: 'file:///srv/snapshots', signing: {section} }}\n"

    assert problems(text) == [problem]


def test_no_private_key_is_shown_where_it_was_put_in_the_wrong_place() -> None:
    text = SMALL.format("flights")
    section = json.dumps({"trusted_keys": [ANNA.private]})
    text += f"snapshots: {{ location: 'file:///srv/snapshots', signing: {section} }}\n"

    (problem,) = problems(text)

    assert "is a private key" in problem
    assert ANNA.private.splitlines()[1] not in problem
