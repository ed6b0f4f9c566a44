"""The configuration file: what is accepted, what is refused and with which words."""

from pathlib import Path

import pytest

from snapshotter.retention import Retention
from snowmelt import config_file
from snowmelt.errors import ConfigError, explain
from snowmelt.wiring import wire
from tests.snowmelt.files import EVERYTHING, SECRETS, SMALLEST, SPICEPOD, problems, read

# ---------------------------------------------------------------- accepted


def test_the_smallest_file_has_defaults_for_everything_else() -> None:
    config = read(SMALLEST).config
    (dataset,) = config.datasets

    assert config.runtime.role == "central"
    assert config.runtime.query == "127.0.0.1:8090"
    assert dataset.table == "pipelines"
    assert dataset.acceleration.engine == "duckdb"
    assert config.path_of(dataset) == Path.cwd() / ".snowmelt/data/pipelines.duckdb"


def test_a_file_with_everything_is_read_to_the_letter() -> None:
    loaded = read(EVERYTHING)
    (dataset,) = loaded.config.datasets

    assert loaded.warnings == ()
    assert dataset.params.region == "ap-northeast-2"
    assert dataset.params.poll_interval == 0.5
    assert dataset.params.ready_lag == 3
    assert dataset.params.near_expired_after == 6 * 3600
    assert dataset.params.scan_segments is None
    assert dataset.acceleration.snapshots_trigger_threshold == "500"
    assert [(metric.name, metric.enabled) for metric in dataset.metrics or ()] == [
        ("shards_active", True),
        ("lag_ms", False),
    ]
    assert loaded.config.path_of(dataset) == Path("/var/lib/snowmelt/pipelines.sqlite")
    assert loaded.config.runtime.shutdown_timeout == 25
    assert loaded.config.snapshots is not None
    assert loaded.config.snapshots.retention == Retention(keep_last=100, keep_for=7 * 86400)
    assert loaded.config.snapshots.prune_grace == 36 * 3600
    assert loaded.config.snapshots.full_every == 3 * 86400
    assert loaded.config.snapshots.bandwidth == 50.0


def test_the_peers_file_is_read_as_it_is() -> None:
    loaded = read(SPICEPOD, SECRETS)
    (dataset,) = loaded.config.datasets
    snapshots = loaded.config.snapshots

    assert loaded.warnings == ()
    assert snapshots is not None
    assert snapshots.params.s3_auth == "key"
    assert snapshots.params.s3_key is not None
    assert snapshots.params.s3_key.get_secret_value() == SECRETS["AWS_ACCESS_KEY_ID"]
    assert dataset.params.region == "ap-northeast-2"
    assert dataset.acceleration.snapshots_trigger_threshold == "2m"
    assert len(dataset.metrics or ()) == 4


def test_a_dataset_is_chosen_by_name_or_because_it_is_the_only_one() -> None:
    one = read(SMALLEST).config
    two = read(SMALLEST + "  - { from: dynamodb:routes, name: routes }\n").config

    assert one.dataset(None).name == "pipelines"
    assert two.dataset("routes").table == "routes"
    with pytest.raises(LookupError, match="pipelines, routes"):
        two.dataset(None)


# ---------------------------------------------------------------- the peer's extras


def test_keys_that_only_the_peer_has_are_named_in_warnings() -> None:
    text = SPICEPOD + (
        "    time_column: updated_at\n"
        "views: [ { name: v, sql: select 1 } ]\n"
        "runtime: { task_history: { enabled: true }, query: '127.0.0.1:8091' }\n"
    )

    loaded = read(text, SECRETS)

    assert sorted(loaded.warnings) == [
        "datasets[0].time_column: not supported by Snowmelt; ignored",
        "runtime.task_history: not supported by Snowmelt; ignored",
        "views: not supported by Snowmelt; ignored",
    ]
    assert loaded.config.runtime.query == "127.0.0.1:8091"


def test_parameters_that_only_the_peer_has_are_named_in_warnings() -> None:
    text = SPICEPOD.replace("dynamodb_aws_auth: iam_role", "dynamodb_partition_count: 3")

    assert read(text, SECRETS).warnings == (
        "datasets[0].params.dynamodb_partition_count: unknown parameter; ignored",
    )


def test_metrics_that_only_the_peer_has_are_named_in_warnings() -> None:
    text = SPICEPOD.replace("name: shards_active", "name: latency_p99")
    loaded = read(text, SECRETS)

    assert loaded.warnings == (
        "datasets[0].metrics[0].name: 'latency_p99' is not supported by Snowmelt; ignored",
    )
    assert len(loaded.config.datasets[0].metrics or ()) == 3


def test_other_sources_of_a_spicepod_are_left_out_and_named() -> None:
    text = SPICEPOD.replace(
        "datasets:\n",
        "datasets:\n"
        "  - from: postgres:orders\n"
        "    name: orders\n"
        "    params: { pg_host: db }\n"
        "  - from: dynamodb:raw\n"
        "    name: raw\n"
        "    acceleration: { enabled: false }\n",
    )

    loaded = read(text.replace("engine: duckdb", "engine: duckdb, sort: id"), SECRETS)

    assert [dataset.name for dataset in loaded.config.datasets] == ["pipelines"]
    assert loaded.warnings == (
        "datasets[0].from: 'postgres' is not supported by Snowmelt; the dataset is left out",
        (
            "datasets[1].acceleration.enabled: without acceleration there is nothing to keep; "
            "the dataset is left out"
        ),
        "datasets[2].acceleration.sort: not supported by Snowmelt; ignored",
    )


def test_a_wrong_value_in_a_spicepod_is_still_an_error_at_its_place_in_the_file() -> None:
    text = SPICEPOD.replace("engine: duckdb", "engine: arrow").replace(
        "datasets:\n", "datasets:\n  - { from: 's3://x', name: x }\n"
    )

    assert problems(text, SECRETS) == [
        "datasets[1].acceleration.engine: 'arrow' is not allowed; use duckdb or sqlite"
    ]


def test_a_spicepod_without_a_table_of_ours_is_an_error() -> None:
    text = SPICEPOD.replace("dynamodb:pipelines", "kafka:pipelines")

    assert problems(text, SECRETS) == [
        "datasets: holds no dataset for this node; name at least one DynamoDB table"
    ]


# ---------------------------------------------------------------- without effect


@pytest.mark.parametrize(
    "old, new, warning",
    [
        (
            "  enabled: true\n  location",
            "  enabled: false\n  location",
            (
                "datasets[0].acceleration.snapshots: has no effect: "
                "there is no section snapshots that is enabled"
            ),
        ),
        (
            "stream_batches\n      snapshots_trigger_threshold: 500",
            "refresh_complete",
            (
                "datasets[0].acceleration.snapshots_trigger: has no effect: changes are followed, "
                "so only the first and the hourly snapshot are made"
            ),
        ),
        (
            "refresh_mode: changes",
            "refresh_check_interval: 1h",
            (
                "datasets[0].acceleration.refresh_check_interval: "
                "has no effect: changes are followed"
            ),
        ),
        (
            "engine: sqlite",
            "engine: sqlite\n      memory_limit: 2GB",
            "datasets[0].acceleration.memory_limit: has no effect on sqlite",
        ),
        (
            "engine: sqlite",
            "engine: sqlite\n      storage_version: v1.4.0",
            "datasets[0].acceleration.storage_version: has no effect on sqlite",
        ),
        (
            "engine: sqlite",
            "engine: sqlite\n      snapshots_compaction: enabled",
            "datasets[0].acceleration.snapshots_compaction: has no effect on sqlite",
        ),
        (
            "s3_auth: iam_role",
            "s3_auth: iam_role, s3_key: AKID",
            "snapshots.params.s3_key: has no effect, because s3_auth is iam_role",
        ),
    ],
    ids=[
        "snapshots",
        "trigger",
        "interval",
        "memory limit",
        "storage version",
        "compaction",
        "s3 key",
    ],
)
def test_what_nothing_comes_of_is_named(old: str, new: str, warning: str) -> None:
    assert old in EVERYTHING

    assert read(EVERYTHING.replace(old, new)).warnings == (warning,)


@pytest.mark.parametrize(
    "said, trigger, threshold",
    [
        ("", "refresh_complete", 1.0),
        ("snapshots_trigger_threshold: 6h", "time_interval", 6 * 3600.0),
        ("snapshots_trigger: time_interval", "time_interval", 600.0),
    ],
)
def test_each_refresh_is_published_where_nothing_else_is_said(
    said: str, trigger: str, threshold: float
) -> None:
    sections = f"refresh_mode: full, refresh_check_interval: 1h, {said}"
    config = read(f"{SMALLEST}    acceleration: {{ {sections} }}\n").config

    settings = wire(config, config.datasets[0]).trigger_settings

    assert (settings.kind, settings.threshold) == (trigger, threshold)


# ---------------------------------------------------------------- refused

# what the file says, instead of what, and the line
MISTAKES = {
    "version": ("version: v1", "version: v2", "version: 'v2' is not allowed; use v1"),
    "no version": ("version: v1\n", "", "version: is missing"),
    "key at the top": ("name: edge", "nmae: edge", "nmae: unknown key; did you mean name?"),
    "key in a section": (
        "refresh_mode:",
        "refresh_moed:",
        "datasets[0].acceleration.refresh_moed: unknown key; did you mean refresh_mode?",
    ),
    "key of another section": (
        "runtime:",
        "runtime:\n  engine: duckdb",
        "runtime.engine: unknown key; it belongs under datasets.acceleration",
    ),
    "key like no other": ("runtime:", "xyzzy: 1\nruntime:", "xyzzy: unknown key"),
    "number as a key": ("runtime:", "7: 1\nruntime:", "[7]: a key must be text; put it in quotes"),
    "engine": (
        "engine: sqlite",
        "engine: duckdbx",
        "datasets[0].acceleration.engine: 'duckdbx' is not allowed; use duckdb or sqlite",
    ),
    "refresh mode": (
        "refresh_mode: changes",
        "refresh_mode: append",
        (
            "datasets[0].acceleration.refresh_mode: 'append' is not allowed; "
            "use changes, full or snapshot"
        ),
    ),
    "refreshes without an interval": (
        "refresh_mode: changes",
        "refresh_mode: full",
        (
            "datasets[0].acceleration: refresh_mode is full, so refresh_check_interval is needed: "
            "how often the whole table is read; write e.g. 1h"
        ),
    ),
    "refreshes without a pause": (
        "refresh_mode: changes",
        "refresh_check_interval: 900ms",
        ("datasets[0].acceleration.refresh_check_interval: must be at least 1s; write e.g. 1h"),
    ),
    "batches of no stream": (
        "refresh_mode: changes",
        "refresh_mode: full\n      refresh_check_interval: 1h",
        (
            "datasets[0].acceleration: refresh_mode is full, so there are no stream_batches; "
            "set snapshots_trigger to refresh_complete"
        ),
    ),
    "no acceleration": (
        "      enabled: true",
        "      enabled: false",
        (
            "datasets[0].acceleration.enabled: "
            "must be true: Snowmelt serves a local file and nothing else"
        ),
    ),
    "neither true nor false": (
        "      enabled: true",
        "      enabled: maybe",
        "datasets[0].acceleration.enabled: must be true or false, not 'maybe'",
    ),
    "memory limit": (
        "mode: file",
        "mode: file\n      memory_limit: lots",
        "datasets[0].acceleration.memory_limit: 'lots' is not a size; write e.g. 512MB or 2GB",
    ),
    "storage version": (
        "mode: file",
        "mode: file\n      storage_version: v1.4",
        (
            "datasets[0].acceleration.storage_version: 'v1.4' is not allowed; use v1.0.0, v1.2.0, "
            "v1.3.0, v1.4.0, v1.5.0 or v2.0.0"
        ),
    ),
    "threshold of batches": (
        "threshold: 500",
        "threshold: 2m",
        (
            "datasets[0].acceleration.snapshots_trigger_threshold: "
            "'2m' does not fit stream_batches; write e.g. 300"
        ),
    ),
    "threshold of time": (
        "snapshots_trigger: stream_batches",
        "snapshots_trigger: time_interval",
        (
            "datasets[0].acceleration.snapshots_trigger_threshold: "
            "500 does not fit time_interval; write e.g. 2m"
        ),
    ),
    "threshold of nothing": (
        "threshold: 500",
        "threshold: 0",
        "datasets[0].acceleration.snapshots_trigger_threshold: must be above 0; write e.g. 300",
    ),
    "metric": (
        "name: lag_ms",
        "name: lag_mss",
        (
            "datasets[0].metrics[1].name: 'lag_mss' is not allowed; use shards_active, "
            "records_consumed_total, lag_ms or errors_transient_total"
        ),
    ),
    "source": (
        "from: dynamodb:pipelines",
        "from: firehose:pipelines",
        (
            "datasets[0].from: 'firehose:pipelines' is nothing to follow; "
            "write dynamodb:TABLE, kinesis:TABLE or snapshot:DATASET"
        ),
    ),
    "table name": (
        "from: dynamodb:pipelines",
        "from: dynamodb:a table",
        (
            "datasets[0].from: 'dynamodb:a table' is nothing to follow; "
            "write dynamodb:TABLE, kinesis:TABLE or snapshot:DATASET"
        ),
    ),
    "stream": (
        "      dynamodb_aws_region: ap-northeast-2",
        "      kinesis_stream_arn: changes",
        (
            "datasets[0].params.kinesis_stream_arn: 'changes' is not the ARN of a stream: "
            "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME"
        ),
    ),
    "dataset name": (
        "    name: pipelines",
        "    name: 7seas",
        "datasets[0].name: must be letters, digits, _ and -, beginning with a letter or _",
    ),
    "reserved name": (
        "    name: pipelines",
        "    name: sqlite_pipelines",
        "datasets[0].name: must not begin with sqlite_ or _snowmelt, which the engines keep",
    ),
    "no dataset name": ("    name: pipelines\n", "", "datasets[0].name: is missing"),
    "section that is a list": (
        "params: { s3_region: us-east-2, s3_endpoint: null, s3_auth: iam_role }",
        "params: [ a ]",
        "snapshots.params: must be a mapping, not a list",
    ),
    "empty section": (
        "params: { s3_region: us-east-2, s3_endpoint: null, s3_auth: iam_role }",
        "params:",
        "snapshots.params: must be a mapping, not nothing",
    ),
    "metrics that are no list": (
        "[{ name: shards_active }, { name: lag_ms, enabled: false }]",
        "lag_ms",
        "datasets[0].metrics: must be a list, not 'lag_ms'",
    ),
    "no location": (
        "  location: s3://bucket/prefix\n",
        "",
        "snapshots: location is missing; set it, or set enabled: false",
    ),
    "location without a scheme": (
        "s3://bucket/prefix",
        "/mnt/bucket",
        (
            "snapshots.location: needs a URL; "
            "begin with one of s3://, file://, memory://, gs://, abfs://"
        ),
    ),
    "location without a bucket": (
        "s3://bucket/prefix",
        "s3://",
        "snapshots.location: not a usable location: 's3://'; write s3://bucket/path",
    ),
    "S3 endpoint": (
        "s3_endpoint: null",
        "s3_endpoint: 'localhost:9000'",
        (
            "snapshots.params.s3_endpoint: 'localhost:9000' is not a URL; begin with https:// "
            "or http://"
        ),
    ),
    "S3 keys": (
        "s3_auth: iam_role",
        "s3_auth: key",
        "snapshots.params: s3_auth is key, so s3_key and s3_secret are needed",
    ),
    "behaviour": (
        "fallback",
        "panic",
        (
            "snapshots.bootstrap_on_failure_behavior: 'panic' is not allowed; "
            "use warn, retry or fallback"
        ),
    ),
    "no snapshot at all": (
        "keep_last: 100",
        "keep_last: 0",
        "snapshots.keep_last: must be at least 1, not 0",
    ),
    "retention in days": (
        "keep_for: 7d",
        "keep_for: 7",
        "snapshots.keep_for: 7 is not a duration; write e.g. 250ms, 2s, 2m, 18h",
    ),
    "a grace shorter than a restore": (
        "prune_grace: 36h",
        "prune_grace: 5m",
        "snapshots.prune_grace: must be at least 1h: no restore may take longer",
    ),
    "a full snapshot each minute": (
        "full_every: 3d",
        "full_every: 1m",
        "snapshots.full_every: must be at least 1h: a full snapshot is a copy of the whole file",
    ),
    "no bandwidth": (
        "bandwidth: 50",
        "bandwidth: 0",
        "snapshots.bandwidth: must be at least 0.001, not 0",
    ),
    "role": (
        "role: central",
        "role: centre",
        "runtime.role: 'centre' is not allowed; use central or edge",
    ),
    "query address for everybody": (
        "unix:///run/snowmelt.sock",
        "0.0.0.0:8090",
        "runtime.query: '0.0.0.0:8090' is not loopback; use 127.0.0.1:PORT or unix:///PATH",
    ),
    "admin address": ("0.0.0.0:9090", "nine", "runtime.admin: 'nine' is not HOST:PORT"),
    "port": ("0.0.0.0:9090", "0.0.0.0:99999", "runtime.admin: '0.0.0.0:99999' is not HOST:PORT"),
    "duration": (
        "shutdown_timeout: 25s",
        "shutdown_timeout: 25",
        "runtime.shutdown_timeout: 25 is not a duration; write e.g. 250ms, 2s, 2m, 18h",
    ),
    "environment variable": (
        "engine: sqlite",
        "engine: ${env:ENGINE}",
        "datasets[0].acceleration.engine: environment variable ENGINE is not set",
    ),
}


@pytest.mark.parametrize("old, new, problem", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_with_its_place(old: str, new: str, problem: str) -> None:
    assert EVERYTHING.count(old) == 1

    assert problems(EVERYTHING.replace(old, new)) == [problem]


def test_several_mistakes_are_told_at_once() -> None:
    text = EVERYTHING.replace("engine: sqlite", "engine: sqlight").replace(
        "role: central", "role: a"
    )

    assert problems(text) == [
        "datasets[0].acceleration.engine: 'sqlight' is not allowed; use duckdb or sqlite",
        "runtime.role: 'a' is not allowed; use central or edge",
    ]


def test_an_edge_needs_snapshots_to_follow() -> None:
    assert problems(SMALLEST + "runtime: { role: edge }\n") == [
        "runtime.role: an edge follows snapshots; set snapshots.location"
    ]


def test_two_datasets_of_one_name_are_refused() -> None:
    assert problems(SMALLEST + "  - { from: dynamodb:other, name: pipelines }\n") == [
        "datasets: 'pipelines' is the name of two; give each its own"
    ]


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "is empty or not a mapping; begin with `version: v1`"),
        ("- a", "is empty or not a mapping; begin with `version: v1`"),
        ("version: v1\n  x: y", "is not valid YAML in line 2: mapping values are not allowed here"),
        ("version: v1\nversion: v1\n", "is not valid YAML in line 2: the key version stands twice"),
        (
            "version: v1\na: &a [*a]\n",
            "is not valid YAML in line 2: found unconstructable recursive node",
        ),
        ("[" * 1500, "is nested too deeply"),
        (
            "a: !!python/object/apply:os.system ['true']",
            (
                "is not valid YAML in line 1: could not determine a constructor for the tag "
                "'tag:yaml.org,2002:python/object/apply:os.system'"
            ),
        ),
    ],
)
def test_text_that_is_no_configuration_is_one_line(text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_a_part_may_be_written_once_and_used_twice() -> None:
    text = SMALLEST + (
        "    acceleration: &usual { engine: sqlite }\n"
        "  - { from: dynamodb:routes, name: routes, acceleration: { <<: *usual, mode: file } }\n"
    )

    assert [dataset.acceleration.engine for dataset in read(text).config.datasets] == ["sqlite"] * 2


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=f"cannot be read: {reason}") as caught:
            config_file.load(path, {})
        (line,) = explain(caught.value)
        assert str(path) in line
        assert line.endswith("name it with -c FILE or SNOWMELT_CONFIG")


@pytest.mark.parametrize(
    "content, problem",
    [(b"\xff\xfe", "is not UTF-8 text"), (b"#" * 1_048_577, "is larger than 1 MiB")],
)
def test_a_file_of_other_bytes_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "node.yaml"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=problem):
        config_file.load(file, {})


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "text",
    [
        "params: { dynamodb_secret_access_key: [hunter2hunter2] }",
        "params: { dynamodb_secret_access_key: { a: hunter2hunter2 } }",
        "params: { dynamodb_aws_session_token: 2hunter2hunter2, dynamodb_aws_auth: magic }",
        "params: { dynamodb_region: '${secrets:PASSWORD}', scan_segments: '${secrets:PASSWORD}' }",
        "acceleration: { engine: '${env:PASSWORD}' }",
        "acceleration: { engine: 'x${env:PASSWORD}x' }",
        "params: { endpoint_url: '${env:PASSWORD}', dynamodb_access_key_id: '${env:PASSWORD}' }",
    ],
)
def test_a_secret_is_in_no_line(text: str) -> None:
    told = problems(SMALLEST + f"    {text}\n", {"PASSWORD": "hunter2hunter2"})

    assert told
    assert not any("hunter2" in line for line in told)


def test_a_wrong_value_from_a_reference_is_shown_as_the_reference() -> None:
    text = SMALLEST + "    acceleration: { engine: '${env:ENGINE}' }\n"

    assert problems(text, {"ENGINE": "postgres"}) == [
        "datasets[0].acceleration.engine: ${env:ENGINE} is not allowed; use duckdb or sqlite"
    ]


def test_a_secret_is_not_in_the_printed_configuration() -> None:
    config = read(SPICEPOD, SECRETS).config

    assert SECRETS["AWS_SECRET_ACCESS_KEY"] not in repr(config)
    assert SECRETS["AWS_SECRET_ACCESS_KEY"] not in config.model_dump_json()
