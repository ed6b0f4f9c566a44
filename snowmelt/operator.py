"""What `restore` works on: a dataset of the configuration, or just a bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restorer.facts import Policy, Selection
from restorer.restore import RestoreRequest
from snapshotter.location import StoreParams
from snapshotter.store import ObjectStore
from snapshotter.stores import open_store
from snapshotter.trust import Trust, TrustingStore
from snowmelt.coldstart import SourceFacts, describe_source
from snowmelt.config import Config, DatasetSection
from snowmelt.errors import UsageError
from snowmelt.wiring import wire


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks of a restore."""

    selection: Selection
    allow_bootstrap: bool = True
    replace: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Where a restore comes from and where it goes."""

    store: ObjectStore
    dataset: str
    path: Path
    request: RestoreRequest


def target_of_config(
    config: Config, section: DatasetSection, output: Path | None, wanted: Wanted
) -> Target:
    """A configured dataset. Raises UsageError without a store, and the source's errors."""
    plan = wire(config, section)
    if plan.store is None:
        raise UsageError(
            f"dataset {plan.name}: no snapshots are configured", hint="set snapshots.location"
        )
    source = describe_source(plan) if wanted.allow_bootstrap else SourceFacts()
    policy = plan.policy(
        allow_bootstrap=wanted.allow_bootstrap,
        replace=wanted.replace,
        retention_seconds=source.retention_seconds,
    )
    request = RestoreRequest(
        policy,
        selection=wanted.selection,
        dry_run=wanted.dry_run,
        source=source.identity,
        bootstrap_read_units=source.read_units,
    )
    if output is not None:
        # A copy for a person, not the node's own file: whatever its age.
        request = replace(request, policy=replace(request.policy, role="operator"))
    return Target(plan.store, plan.name, (output or plan.path).absolute(), request)


def target_of_location(
    location: str,
    endpoint: str | None,
    region: str | None,
    trusted_keys: Sequence[str],
    dataset: str | None,
    output: Path | None,
    wanted: Wanted,
) -> Target:
    """A bucket and nothing else: disaster recovery. Raises UsageError.

    `trusted_keys`: texts of public keys; without one, nobody has to have signed.
    """
    if dataset is None or output is None:
        raise UsageError(
            "--location needs --dataset NAME and --output PATH",
            hint="add both, or use a configuration file",
        )
    store = open_store(location, StoreParams(endpoint=endpoint, region=region))
    if trusted_keys:
        store = TrustingStore(store, _trusting(trusted_keys))
    policy = Policy(role="operator", allow_bootstrap=False, replace=wanted.replace)
    request = RestoreRequest(policy, selection=wanted.selection, dry_run=wanted.dry_run)
    return Target(store, dataset, output.absolute(), request)


def _trusting(keys: Sequence[str]) -> Trust:
    from snapshotter.signature import TrustedKeys

    try:
        return Trust(trusted=TrustedKeys.of(keys))
    except ValueError as error:
        raise UsageError(
            f"--trusted-key {error}", hint='write --trusted-key "$(cat signing.pem.pub)"'
        ) from error
