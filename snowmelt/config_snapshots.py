"""The section `snapshots`: where they lie, who may use them, and how long they are kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from snapshotter.errors import StoreRefused
from snapshotter.independence import FULL_EVERY_SECONDS
from snapshotter.lease import LEASE_SECONDS
from snapshotter.location import ServerSideEncryption, parse_location
from snapshotter.pruning import GRACE_SECONDS
from snapshotter.retention import Retention
from snowmelt.config_gate import GateSection
from snowmelt.durations import Duration
from snowmelt.parameters import checked_url

_LEAST_GRACE_SECONDS = 3600.0
_LEAST_LEASE_SECONDS = 3.0
_MOST_LEASE_SECONDS = 3600.0
_LEAST_FULL_SECONDS = 3600.0
_LOCATION_SCHEMES = ("s3://", "file://", "memory://", "gs://", "abfs://")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SnapshotParameters(_Section):
    """Access to the object store."""

    s3_auth: Literal["iam_role", "key"] = "iam_role"
    s3_key: SecretStr | None = None
    s3_secret: SecretStr | None = None
    s3_session_token: SecretStr | None = None
    s3_region: str | None = None
    s3_endpoint: str | None = None
    s3_expected_bucket_owner: str | None = None
    s3_server_side_encryption: ServerSideEncryption | None = None
    s3_kms_key_id: str | None = None
    s3_bucket_key_enabled: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _keys_mean_key(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("s3_key") and "s3_auth" not in value:
            return value | {"s3_auth": "key"}
        return value

    @field_validator("s3_endpoint")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return checked_url(value)

    @model_validator(mode="after")
    def _keys_for_auth_key(self) -> SnapshotParameters:
        if self.s3_auth == "key" and not (self.s3_key and self.s3_secret):
            raise ValueError("s3_auth is key, so s3_key and s3_secret are needed")
        return self

    @model_validator(mode="after")
    def _kms_for_its_settings(self) -> SnapshotParameters:
        by_kms = (self.s3_server_side_encryption or "").startswith("aws:kms")
        for name in ("s3_kms_key_id", "s3_bucket_key_enabled"):
            if getattr(self, name) is not None and not by_kms:
                raise ValueError(f"{name} needs s3_server_side_encryption: aws:kms")
        return self


class SigningSection(_Section):
    """Who signs what is published here, and whose signatures are asked for."""

    key: SecretStr | None = None
    trusted_keys: tuple[str, ...] | None = None

    @field_validator("key")
    @classmethod
    def _is_private_key(cls, value: SecretStr | None) -> SecretStr | None:
        from snapshotter.signature import Signer

        if value is not None:
            Signer.of(value.get_secret_value())
        return value

    @field_validator("trusted_keys")
    @classmethod
    def _are_public_keys(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        from snapshotter.signature import TrustedKeys

        if value is not None:
            TrustedKeys.of(value)
            if not value:
                raise ValueError("names none; leave it out to ask for no signature")
        return value

    @model_validator(mode="after")
    def _trusts_itself(self) -> SigningSection:
        from snapshotter.signature import Signer, TrustedKeys

        if self.key is not None and self.trusted_keys is not None:
            own = Signer.of(self.key.get_secret_value()).key_id
            if own not in TrustedKeys.of(self.trusted_keys).ids:
                raise ValueError(f"key {own} is not among trusted_keys")
        return self


class SnapshotsSection(_Section):
    """Where snapshots lie and what happens when none can be restored.

    `bandwidth`: MB a second for all restores of this user and host.
    """

    enabled: bool = True
    location: str | None = None
    bootstrap_on_failure_behavior: Literal["warn", "retry", "fallback"] = "fallback"
    keep_last: Annotated[int, Field(ge=1)] | None = None
    keep_for: Duration | None = None
    prune_grace: Duration = GRACE_SECONDS
    lease: Duration = LEASE_SECONDS
    full_every: Duration = FULL_EVERY_SECONDS
    bandwidth: Annotated[float, Field(ge=0.001)] | None = None
    gate: GateSection = GateSection()
    params: SnapshotParameters = SnapshotParameters()
    signing: SigningSection = SigningSection()

    @field_validator("location")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(_LOCATION_SCHEMES):
            raise ValueError(f"needs a URL; begin with one of {', '.join(_LOCATION_SCHEMES)}")
        try:
            if value is not None:
                parse_location(value)
        except StoreRefused as error:
            raise ValueError(f"{error}; {error.hint}") from error
        return value

    @field_validator("prune_grace")
    @classmethod
    def _longer_than_a_restore(cls, value: float) -> float:
        if value < _LEAST_GRACE_SECONDS:
            raise ValueError("must be at least 1h: no restore may take longer")
        return value

    @field_validator("full_every")
    @classmethod
    def _leaves_room_for_increments(cls, value: float) -> float:
        if value < _LEAST_FULL_SECONDS:
            raise ValueError("must be at least 1h: a full snapshot is a copy of the whole file")
        return value

    @field_validator("lease")
    @classmethod
    def _survives_a_pause(cls, value: float) -> float:
        if not _LEAST_LEASE_SECONDS <= value <= _MOST_LEASE_SECONDS:
            raise ValueError("must be between 3s and 1h")
        return value

    @property
    def retention(self) -> Retention:
        """Which snapshots a prune keeps."""
        return Retention(self.keep_last, self.keep_for)

    @model_validator(mode="after")
    def _location_when_enabled(self) -> SnapshotsSection:
        if self.enabled and self.location is None:
            raise ValueError("location is missing; set it, or set enabled: false")
        is_s3 = self.location is None or self.location.startswith("s3://")
        if self.params.s3_server_side_encryption is not None and not is_s3:
            raise ValueError("params.s3_server_side_encryption needs a location s3://…")
        return self
