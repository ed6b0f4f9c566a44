"""From configuration to working parts: what a dataset reads, where it lies, how it decides."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cdc.aws import AwsParams
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import RETENTION_SECONDS
from restorer.bandwidth import Bandwidth
from restorer.facts import Policy
from snapshotter.independence import FULL_EVERY_SECONDS
from snapshotter.lease import LEASE_SECONDS
from snapshotter.location import StoreParams
from snowmelt.config import Config, DatasetSection
from snowmelt.config_gate import GateSection
from snowmelt.config_snapshots import SigningSection, SnapshotsSection
from snowmelt.durations import parse_duration
from snowmelt.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from cdc.dynamodb import DynamoDbSource
    from cdc.kinesis import KinesisSource
    from snapshotter.seen import SeenFile
    from snapshotter.store import ObjectStore
    from snapshotter.trigger import TriggerSettings
    from snapshotter.trust import Trust
    from snowmelt.catalog_watch import CatalogBoard

_DEFAULT_THRESHOLDS = {"time_interval": "10m", "stream_batches": "300"}


@dataclass(frozen=True)
class DatasetPlan:
    """One dataset of a node, with everything that is needed to run it.

    `is_standby`: it publishes only once no other node does. `takes_over`: a person said so.
    """

    section: DatasetSection
    path: Path
    role: str
    snapshots: SnapshotsSection | None
    is_standby: bool = False
    takes_over: bool = False

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.section.name

    @cached_property
    def catalog(self) -> CatalogBoard:
        """What was last seen of the dataset's snapshots in the store."""
        from snowmelt.catalog_watch import CatalogBoard

        return CatalogBoard()

    @property
    def restores(self) -> bool:
        """True if snapshots may be read."""
        mode = self.section.acceleration.snapshots
        return self._has_store and (self.role == "edge" or mode in {"enabled", "bootstrap_only"})

    @property
    def publishes(self) -> bool:
        """True if snapshots may be written."""
        mode = self.section.acceleration.snapshots
        return self._has_store and self.role == "central" and mode in {"enabled", "create_only"}

    @property
    def lease_seconds(self) -> float:
        """How long the lease has to be unchanged before another node takes it."""
        return LEASE_SECONDS if self.snapshots is None else self.snapshots.lease

    @property
    def gate(self) -> GateSection:
        """What the publish gate lets pass."""
        return GateSection() if self.snapshots is None else self.snapshots.gate

    @property
    def refresh_seconds(self) -> float | None:
        """How often the table is read anew; None where its stream is followed."""
        return self.section.acceleration.refresh_seconds

    @property
    def serves_stale(self) -> bool:
        """True if an expired file is served while a new one is built."""
        return self.section.params.shard_not_found_behavior == "ready_before_load"

    @property
    def full_every(self) -> float:
        """After so many seconds a snapshot shares nothing with older ones."""
        return FULL_EVERY_SECONDS if self.snapshots is None else self.snapshots.full_every

    @property
    def bandwidth(self) -> Bandwidth | None:
        """The limit that restores of this user and host share."""
        rate = None if self.snapshots is None else self.snapshots.bandwidth
        return None if rate is None else Bandwidth(rate * 1e6)

    @property
    def _has_store(self) -> bool:
        return self.snapshots is not None and self.snapshots.enabled

    @cached_property
    def holder(self) -> str:
        """Who publishes, for people: host and process."""
        return f"{socket.gethostname()}/{os.getpid()}"

    @cached_property
    def source(self) -> DynamoDbSource | KinesisSource:
        """The table, and its stream where that is followed; no request is sent yet.

        Raises UsageError where snapshots are followed: there is nobody to ask then.
        """
        if self.role == "edge":
            raise UsageError(
                f"{self.name} follows snapshots: its table is not asked for anything",
                hint="run this where the table is followed",
            )
        if self.section.by_kinesis:
            from cdc.kinesis import KinesisSource

            arn = self.section.params.kinesis_stream_arn
            return KinesisSource(self.section.table, self.aws, stream_arn=arn)
        if self.refresh_seconds is not None:
            from cdc.table_only import TableSource

            return TableSource(self.section.table, self.aws)
        from cdc.dynamodb import DynamoDbSource

        return DynamoDbSource(self.section.table, self.aws)

    @cached_property
    def store(self) -> ObjectStore | None:
        """The object store, where one is configured; no request is sent yet."""
        from restorer.switch import work_directory
        from snapshotter.seen import SeenFile
        from snapshotter.stores import open_store
        from snapshotter.trust import TrustingStore

        if self.snapshots is None or self.snapshots.location is None or not self._has_store:
            return None
        store = open_store(self.snapshots.location, store_params(self.snapshots))
        seen = SeenFile(work_directory(self.path) / "seen.json", store.url)
        return TrustingStore(store, trust(self.snapshots.signing, seen))

    @property
    def aws(self) -> AwsParams:
        """Who reads the table, and where it is."""
        params = self.section.params
        return AwsParams(
            region=params.region,
            auth=params.auth,
            access_key_id=_plain(params.access_key_id),
            secret_access_key=_plain(params.secret_access_key),
            session_token=_plain(params.session_token),
            iam_role_source=params.iam_role_source,
            endpoint_url=params.endpoint_url,
            streams_endpoint_url=params.streams_endpoint_url,
            kinesis_endpoint_url=params.kinesis_endpoint_url,
        )

    @property
    def capture_settings(self) -> CaptureSettings:
        """How the stream and the table are read."""
        params = self.section.params
        return CaptureSettings(
            ready_lag_ms=int(params.ready_lag * 1000),
            poll_interval_seconds=params.poll_interval,
            max_calls_per_second=params.max_calls_per_s,
            scan_segments=params.scan_segments,
            scan_max_rcu=params.scan_max_rcu,
            columns=self.section.columns.rules(),
            indexes_from_table=self.section.acceleration.indexes == "from_table",
            gives_back_space=self.section.acceleration.snapshots_compaction == "enabled",
        )

    def policy(
        self,
        *,
        allow_bootstrap: bool = True,
        replace: bool = False,
        retention_seconds: float = RETENTION_SECONDS,
    ) -> Policy:
        """How a cold start decides. `retention_seconds`: of the stream, where it was asked for.

        Thresholds that are not configured grow with it.
        """
        params = self.section.params
        given = params.model_fields_set
        grown = retention_seconds / RETENTION_SECONDS
        near = params.near_expired_after * (1 if "near_expired_after" in given else grown)
        expired = params.expired_after * (1 if "expired_after" in given else grown)
        on_failure = "fallback"
        if self.snapshots is not None:
            on_failure = self.snapshots.bootstrap_on_failure_behavior
        return Policy(
            role="edge" if self.role == "edge" else "central",
            near_expired=params.near_expired,
            shard_not_found_behavior=params.shard_not_found_behavior,
            bootstrap_on_failure=on_failure,  # type: ignore[arg-type]  # one of three, by the config
            allow_bootstrap=allow_bootstrap and self.role == "central",
            replace=replace,
            engine=self.section.acceleration.engine,
            near_expired_seconds=near,
            expired_seconds=expired,
            refresh_seconds=self.refresh_seconds,
            retention_seconds=retention_seconds,
        )

    @property
    def trigger_settings(self) -> TriggerSettings:
        """When snapshots are published. Raises ConfigError for a threshold that does not fit."""
        from snapshotter.trigger import TriggerSettings

        acceleration = self.section.acceleration
        kind = acceleration.snapshots_trigger
        text = acceleration.snapshots_trigger_threshold or _DEFAULT_THRESHOLDS.get(kind, "1")
        try:
            threshold = parse_duration(text) if kind == "time_interval" else float(int(text))
            return TriggerSettings(kind, threshold, acceleration.snapshots_creation_policy)
        except ValueError as error:
            wanted = "2m" if kind == "time_interval" else "300"
            raise ConfigError(
                f"dataset {self.name}",
                [f"snapshots_trigger_threshold: {text!r} does not fit {kind}"],
                hint=f"write e.g. {wanted}",
            ) from error


def wire(config: Config, section: DatasetSection, *, takes_over: bool = False) -> DatasetPlan:
    """The plan of one dataset. `takes_over`: from a live holder of the lease, too."""
    runtime, path = config.runtime, config.path_of(section)
    role = "edge" if section.follows_snapshots else runtime.role
    return DatasetPlan(section, path, role, config.snapshots, runtime.standby, takes_over)


def store_params(snapshots: SnapshotsSection) -> StoreParams:
    """Access to the object store."""
    params = snapshots.params
    return StoreParams(
        auth=params.s3_auth,
        key=_plain(params.s3_key),
        secret=_plain(params.s3_secret),
        session_token=_plain(params.s3_session_token),
        region=params.s3_region,
        endpoint=params.s3_endpoint,
        expected_bucket_owner=params.s3_expected_bucket_owner,
        encryption=params.s3_server_side_encryption,
        kms_key=params.s3_kms_key_id,
        bucket_key=params.s3_bucket_key_enabled,
    )


def trust(signing: SigningSection, seen: SeenFile) -> Trust:
    """Whom a node believes."""
    from snapshotter.signature import Signer, TrustedKeys
    from snapshotter.trust import Trust

    key, trusted = _plain(signing.key), signing.trusted_keys
    return Trust(
        None if key is None else Signer.of(key),
        None if trusted is None else TrustedKeys.of(trusted),
        seen,
    )


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
