"""What `restore` works on: a dataset of the configuration, or just a bucket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restorer.bandwidth import Bandwidth
from restorer.facts import Policy, Selection
from restorer.restore import RestoreRequest
from snapshotter.location import StoreParams
from snapshotter.store import ObjectStore
from snapshotter.stores import open_past_store, open_store
from snapshotter.trust import Trust, TrustingStore
from snowmelt.coldstart import SourceFacts, describe_source
from snowmelt.config import Config, DatasetSection
from snowmelt.errors import UsageError
from snowmelt.restored import throughput
from snowmelt.wiring import DatasetPlan, store_params, wire


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks of a restore.

    `waits`: for a snapshot, rather than bootstrap. `as_of`: read a versioned bucket as it was at
    this instant. `seeds`: files that may have some of it.
    """

    selection: Selection
    as_of: float | None = None
    allow_bootstrap: bool = True
    waits: bool = False
    replace: bool = False
    dry_run: bool = False
    seeds: tuple[Path, ...] = ()
    megabytes_per_second: float | None = None

    @property
    def bandwidth(self) -> Bandwidth | None:
        """The limit that all restores of this user and host share."""
        rate = self.megabytes_per_second
        return None if rate is None else Bandwidth(rate * 1e6)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a restore comes from and where it goes. `is_past`: from a bucket as it was once."""

    store: ObjectStore
    dataset: str
    path: Path
    request: RestoreRequest
    is_past: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and nothing else. `trusted_keys`: public keys; without one, nobody has to sign."""

    location: str
    endpoint: str | None = None
    region: str | None = None
    trusted_keys: tuple[str, ...] = ()

    @staticmethod
    def of(
        location: str | None, endpoint: str | None, region: str | None, keys: Sequence[str] | None
    ) -> Bucket | None:
        """None where no location is given."""
        return None if location is None else Bucket(location, endpoint, region, tuple(keys or ()))


def target(
    configured: Callable[[], tuple[Config, DatasetSection]],
    bucket: Bucket | None,
    dataset: str | None,
    output: Path | None,
    wanted: Wanted,
) -> Target:
    """Of the bucket where one is given, else of the configuration."""
    if bucket is not None:
        return _of_bucket(bucket, dataset, output, wanted)
    return _of_config(*configured(), output, wanted)


def _of_config(
    config: Config, section: DatasetSection, output: Path | None, wanted: Wanted
) -> Target:
    """A configured dataset. Raises UsageError without a store, and the source's errors."""
    plan = wire(config, section)
    store = _configured_store(plan, wanted.as_of)
    # A copy for a person, or a rescue: whatever its age, and whether there is a table or not.
    is_copy = output is not None or wanted.as_of is not None
    asks = wanted.allow_bootstrap and not is_copy
    source = describe_source(plan) if asks else SourceFacts()
    policy = plan.policy(
        allow_bootstrap=wanted.allow_bootstrap and not wanted.waits,
        replace=wanted.replace,
        retention_seconds=source.retention_seconds,
    )
    request = RestoreRequest(
        policy,
        selection=wanted.selection,
        dry_run=wanted.dry_run,
        foresees=wanted.dry_run,
        source=source.identity,
        bootstrap_read_units=source.read_units,
        throughput=throughput(output or plan.path),
        seeds=wanted.seeds,
        bandwidth=wanted.bandwidth or plan.bandwidth,
    )
    if is_copy:
        request = replace(request, policy=replace(policy, role="operator", allow_bootstrap=False))
    path = (output or plan.path).absolute()
    return Target(store, plan.name, path, request, is_past=wanted.as_of is not None)


def _configured_store(plan: DatasetPlan, as_of: float | None) -> ObjectStore:
    if plan.store is None or plan.snapshots is None or plan.snapshots.location is None:
        raise UsageError(
            f"dataset {plan.name}: no snapshots are configured", hint="set snapshots.location"
        )
    if as_of is None:
        return plan.store
    store = open_past_store(plan.snapshots.location, store_params(plan.snapshots), as_of)
    # What was seen since must not be held against the past.
    keys = plan.snapshots.signing.trusted_keys
    return store if keys is None else TrustingStore(store, _trusting(keys))


def _of_bucket(bucket: Bucket, dataset: str | None, output: Path | None, wanted: Wanted) -> Target:
    """Disaster recovery: no configuration, no table. Raises UsageError."""
    if dataset is None or output is None:
        raise UsageError(
            "--location needs --dataset NAME and --output PATH",
            hint="add both, or use a configuration file",
        )
    params = StoreParams(endpoint=bucket.endpoint, region=bucket.region)
    if wanted.as_of is None:
        store = open_store(bucket.location, params)
    else:
        store = open_past_store(bucket.location, params, wanted.as_of)
    if bucket.trusted_keys:
        store = TrustingStore(store, _trusting(bucket.trusted_keys))
    policy = Policy(role="operator", allow_bootstrap=False, replace=wanted.replace)
    request = RestoreRequest(
        policy,
        selection=wanted.selection,
        dry_run=wanted.dry_run,
        foresees=wanted.dry_run,
        throughput=throughput(output),
        seeds=wanted.seeds,
        bandwidth=wanted.bandwidth,
    )
    is_past = wanted.as_of is not None
    return Target(store, dataset, output.absolute(), request, is_past)


def _trusting(keys: Sequence[str]) -> Trust:
    from snapshotter.signature import TrustedKeys

    try:
        return Trust(trusted=TrustedKeys.of(keys))
    except ValueError as error:
        raise UsageError(
            f"--trusted-key {error}", hint='write --trusted-key "$(cat signing.pem.pub)"'
        ) from error
