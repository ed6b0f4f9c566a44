"""What each role does with the bucket, by the code that a node or a verb runs; and the scenery.

A story raises what the store raises first; `Denied` where a person's own client is refused.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from restorer.errors import RestoreError
from snapshotter import layout, proofs
from snapshotter.catalog_change import change_catalog, paged
from snapshotter.errors import StoreAccessDenied
from snapshotter.format import CATALOG_LIMIT, CatalogEntry, Condemned, Pointer, Verified
from snapshotter.layout import SnapshotId
from snapshotter.lease import Claimant
from snapshotter.lease_keeper import LeaseKeeper
from snapshotter.location import StoreParams, parse_location
from snapshotter.prune import Pruner
from snapshotter.reader import read_catalog, read_pointer
from snapshotter.retention import Retention
from snapshotter.s3_past import PastStore
from snapshotter.s3_store import S3Store
from snapshotter.stores import open_store, probe
from snapshotter.swap import new_attempt_id, swap_pointer
from snapshotter.verify import verify
from tests.restorer.accelerators import DATASET, Producer
from tests.servers.clients import client
from tests.servers.seaweedfs import SeaweedFS
from tests.terraform.rendering import PREFIX

# SeaweedFS denies this one to everybody but an administrator.
UNTOLD = frozenset({"s3:GetBucketPolicyStatus"})
HOME = f"{PREFIX}/{DATASET}"
_RETENTION = Retention(keep_last=1, keep_for=None)


class Denied(Exception):
    """A client of AWS was refused, by this code."""


@dataclass(frozen=True)
class Scene:
    """A bucket as somebody sees it; `admin` may do everything."""

    server: SeaweedFS
    bucket: str
    key: str
    secret: str
    home: Path

    @property
    def location(self) -> str:
        return f"s3://{self.bucket}/{PREFIX}"

    def params(self, *, admin: bool = False) -> StoreParams:
        return StoreParams(
            auth="key",
            key=self.server.access_key if admin else self.key,
            secret=self.server.secret_key if admin else self.secret,
            region=self.server.region,
            endpoint=self.server.endpoint_url,
        )

    @cache  # noqa: B019 - a scene lives as long as its test
    def store(self, *, admin: bool = False) -> S3Store:
        store = open_store(self.location, self.params(admin=admin))
        assert isinstance(store, S3Store)
        return store

    def s3(self) -> Any:
        return client(
            "s3",
            endpoint_url=self.server.endpoint_url,
            access_key=self.key,
            secret_key=self.secret,
            region=self.server.region,
        )


# ---------------------------------------------------------------- the scenery


def published(scene: Scene) -> None:
    """Two snapshots of a small file."""
    producer = Producer(scene.store(admin=True), scene.home / "published.sqlite", "sqlite")
    try:
        for number in range(2):
            producer.put(0, 20, seed=number)
            producer.publish()
    finally:
        producer.close()


def grown(scene: Scene, count: int = CATALOG_LIMIT) -> None:
    """The catalog as long as it was after months, by entries that name nothing that is there."""

    store = scene.store(admin=True)

    def change(pointer: Pointer) -> Pointer:
        newest = pointer.catalog[0]
        old = [_older(newest, number) for number in range(count)]
        longer = replace(pointer, catalog=(*pointer.catalog, *old)[:count])
        return paged(store, longer, "blake3")

    swap_pointer(store, DATASET, change, attempt_id=new_attempt_id(), algorithm="blake3")


def _older(entry: CatalogEntry, number: int) -> CatalogEntry:
    identity = SnapshotId.parse(entry.snapshot_id)
    older = replace(identity, created_ms=identity.created_ms - 60_000 * (number + 1))
    return replace(entry, snapshot_id=str(older), manifest=layout.manifest_key(DATASET, str(older)))


def condemned(scene: Scene) -> None:
    """A pack, a manifest and a page are due."""
    pointer = read_pointer(scene.store(admin=True), DATASET)
    id_ = str(_older(pointer.catalog[0], 0).snapshot_id)
    keys = [
        layout.pack_key(DATASET, layout.pack_name(id_, 0)),
        layout.manifest_key(DATASET, id_),
        layout.page_key(DATASET, layout.page_name(id_, new_attempt_id())),
    ]
    for key in keys:
        scene.store(admin=True).put(key, b"garbage")
    swap_pointer(
        scene.store(admin=True),
        DATASET,
        lambda pointer: replace(pointer, condemned=tuple(Condemned(key, 1.0) for key in keys)),
        attempt_id=new_attempt_id(),
        algorithm="blake3",
    )


# ---------------------------------------------------------------- the stories


def writes(scene: Scene) -> None:
    """Takes the lease, publishes into an empty bucket and into one that is old, and condemns."""
    store = scene.store()
    who = Claimant("file", 30.0)
    lease = LeaseKeeper(store, DATASET, who, holder="node", monotonic=lambda: 0.0)
    assert lease.look()
    producer = Producer(store, scene.home / "node.sqlite", "sqlite")
    try:
        for number in range(3):
            producer.put(0, 20, seed=number)
            producer.publish()
            if number == 1:
                grown(scene)
    finally:
        producer.close()
    assert Pruner(store, DATASET, _RETENTION, grace=0.0).record(sweeps=False).plan.going
    lease.release()


def reads(scene: Scene) -> None:
    """Looks whether something is there, and reads every block."""
    _listed(scene)
    assert verify(scene.store(), DATASET, level="full").ok


def audits(scene: Scene) -> None:
    """Verifies, writes down what was found, also of a snapshot on an older page."""
    reads(scene)
    store = scene.store()
    entries = list(read_catalog(store, read_pointer(store, DATASET)))
    change_catalog(store, DATASET, partial(_looked_at, id_=entries[0].snapshot_id))
    change_catalog(store, DATASET, partial(_looked_at, id_=entries[-1].snapshot_id))


def _looked_at(pointer: Pointer, id_: str) -> Pointer:
    return proofs.verified(pointer, id_, Verified(at=1.0, level="full", faults=0))


def operates(scene: Scene) -> None:
    """As the auditor; reads the past; and brings back what was overwritten, from its versions."""
    audits(scene)
    past = PastStore(parse_location(scene.location), scene.params(), as_of=time.time() + 60)
    assert verify(past, DATASET, level="fast").ok
    s3 = scene.s3()
    for name in ("bucket.json", "head.json", "lease.json"):
        where = {"Bucket": scene.bucket, "Key": f"{HOME}/{name}"}
        with _as("s3:ListBucketVersions"):
            found = s3.list_object_versions(Bucket=scene.bucket, Prefix=where["Key"])["Versions"]
        with _as("s3:GetObjectVersion"):
            body = s3.get_object(**where, VersionId=found[-1]["VersionId"])["Body"].read()
        with _as("s3:PutObject"):
            s3.put_object(**where, Body=body)


@contextmanager
def _as(action: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise Denied(f"{action}: {error.response['Error']['Code']}") from error


def sweeps(scene: Scene) -> None:
    """Deletes what is due."""
    _listed(scene)
    assert len(Pruner(scene.store(), DATASET, _RETENTION, grace=0.0).sweep()) == 3


def examines(scene: Scene) -> None:
    """What doctor tries of the store."""
    store = scene.store()
    for check in probe(store).checks:
        if check.error is not None:
            raise check.error
    for action, answer in store.settings().answers.items():
        if isinstance(answer, StoreAccessDenied) and f"s3:{action}" not in UNTOLD:
            raise answer


def _listed(scene: Scene) -> None:
    """S3 itself says 404 for what is missing only to who may list; SeaweedFS says it to all."""
    list(scene.store().list(layout.pointer_key(DATASET)))


STORIES: dict[str, Callable[[Scene], None]] = {
    "writer": writes,
    "reader": reads,
    "auditor": audits,
    "dr_operator": operates,
    "janitor": sweeps,
    "doctor": examines,
}
REFUSALS = (StoreAccessDenied, Denied, RestoreError)


def prepare(role: str, scene: Scene) -> None:
    """What has to be in the bucket before the role's story."""
    if role in ("writer", "doctor"):
        return
    published(scene)
    if role == "janitor":
        condemned(scene)
    if role in ("auditor", "dr_operator"):
        grown(scene, CATALOG_LIMIT + 10)
    if role == "dr_operator":
        admin = scene.store(admin=True)
        admin.put(layout.lease_key(DATASET), b"a lease that was overwritten")
