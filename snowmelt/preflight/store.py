"""The preflight of a location: what the store does, how the bucket is set, what lies there.

Only scratch keys under `probe/` are written, and deleted again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from snapshotter.errors import ObjectMissing, SnapshotError, StoreAccessDenied, StoreRefused
from snapshotter.format import CatalogEntry
from snapshotter.location import parse_location
from snapshotter.reader import read_pointer
from snapshotter.s3_store import S3Store
from snapshotter.store import ObjectStore
from snapshotter.stores import open_store, probe
from snowmelt.durations import format_duration
from snowmelt.preflight import bucket
from snowmelt.preflight.finding import Finding, failed, not_known
from snowmelt.preflight.subject import Subject
from snowmelt.preflight.table import clock


class StoreLook:
    """What was found out about a location, for later checks. Call `findings` once.

    `entries`: the catalog, newest first; empty if there is none, or its dataset is not known.
    """

    def __init__(self, subject: Subject) -> None:
        self.entries: Sequence[CatalogEntry] = ()
        self.encrypted_as = ""
        self._subject = subject

    def findings(self) -> Iterator[Finding]:
        """Each check, as it is made. Raises no error of ours."""
        location = self._subject.location
        if location is None:
            yield not_known("store", "not tried", "name it with --location")
            return
        try:
            store = open_store(location, self._subject.store)
            result = probe(store)
        except SnapshotError as error:
            yield failed("store", error)
            return
        for check in result.checks:
            name = f"store {check.name}"
            if check.passed:
                yield Finding(name, "ok", "works")
            elif check.error is not None:
                yield failed(name, check.error)
            else:
                hint = "use a store that does this; two producers would overwrite each other here"
                yield Finding(name, "failed", check.detail, hint, StoreRefused.exit_code)
        writes = result.checks[0]
        if not (writes.passed or isinstance(writes.error, StoreAccessDenied)):
            return  # nobody answers there
        if isinstance(store, S3Store):
            self.encrypted_as = store.encrypted_as
            yield from self._bucket(store)
        yield from self._published(store)

    def _bucket(self, store: S3Store) -> Iterator[Finding]:
        yield clock("store clock", time.time() - store.now())
        prefix = parse_location(store.url).prefix
        yield from bucket.of_settings(store.settings(), prefix, self.encrypted_as)

    def _published(self, store: ObjectStore) -> Iterator[Finding]:
        check, dataset = "snapshots", self._subject.name
        if dataset is None:
            yield not_known(check, "not looked for", "name them with --dataset")
            return
        try:
            pointer = read_pointer(store, dataset)
        except ObjectMissing:
            yield Finding(check, "ok", f"none of {dataset} yet")
            return
        except SnapshotError as error:
            yield failed(check, error)
            return
        self.entries = pointer.catalog
        good = [entry for entry in self.entries if entry.quarantined is None]
        if not good:
            yield Finding(check, "warning", f"{len(self.entries)} of {dataset}, none to restore")
            return
        age = format_duration(max(0.0, store.now() - good[0].created_at))
        detail = f"{len(self.entries)} of {dataset}, the newest is {age} old"
        yield Finding(check, "ok", detail, data={"newest": good[0].snapshot_id})
