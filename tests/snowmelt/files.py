"""Configuration files that several tests use."""

from pathlib import Path

from snowmelt.config_file import LoadedConfig, parse
from snowmelt.errors import ConfigError, explain

# The file that a user of the peer has, as the issue tracker of the design gives it.
SPICEPOD = (Path(__file__).parent / "spicepod.yaml").read_text()

SMALLEST = """\
version: v1
datasets:
  - from: dynamodb:pipelines
    name: pipelines
"""

EVERYTHING = """\
version: v1
name: edge-control-plane
snapshots:
  enabled: true
  location: s3://bucket/prefix
  bootstrap_on_failure_behavior: fallback
  keep_last: 100
  keep_for: 7d
  prune_grace: 36h
  full_every: 3d
  bandwidth: 50
  params: { s3_region: us-east-2, s3_endpoint: null, s3_auth: iam_role }
datasets:
  - from: dynamodb:pipelines
    name: pipelines
    params:
      dynamodb_aws_region: ap-northeast-2
      dynamodb_aws_auth: iam_role
      dynamodb_aws_iam_role_source: metadata
      dynamodb_streams_endpoint_url: https://streams.example.com
      dynamodb_stream_poll_interval_ms: 500
      dynamodb_replication_ready_lag: 3s
      dynamodb_replication_invalid_checkpoint_behavior: restart
      near_expired_after: 6h
      scan_segments: auto
    acceleration:
      enabled: true
      refresh_mode: changes
      engine: sqlite
      mode: file
      path: /var/lib/snowmelt/pipelines.sqlite
      indexes: from_table
      snapshots: enabled
      snapshots_trigger: stream_batches
      snapshots_trigger_threshold: 500
    columns:
      declare: { price: decimal(4), state: text }
      exclude: [notes, "ssn"]
      budget: 150
    metrics: [{ name: shards_active }, { name: lag_ms, enabled: false }]
runtime:
  role: central
  query: unix:///run/snowmelt.sock
  admin: 0.0.0.0:9090
  data_dir: /var/lib/snowmelt
  shutdown_timeout: 25s
"""

SECRETS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}


def read(text: str, environment: dict[str, str] | None = None) -> LoadedConfig:
    return parse(text, environment or {}, "node.yaml")


def problems(text: str, environment: dict[str, str] | None = None) -> list[str]:
    """The lines a person sees, without `snowmelt: error: node.yaml: `."""
    try:
        loaded = read(text, environment)
    except ConfigError as error:
        start = "snowmelt: error: node.yaml: "
        lines = explain(error)
        assert all(line.startswith(start) for line in lines)
        return [line.removeprefix(start) for line in lines]
    raise AssertionError(f"was accepted: {loaded.config}")
