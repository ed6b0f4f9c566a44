"""The parameters of a dataset, in both spellings."""

import pytest

from snowmelt.parameters import SPELLINGS, WITHOUT_EFFECT, DynamoDbParameters
from snowmelt.wiring import wire
from tests.snowmelt.files import SMALLEST, problems, read


def with_params(text: str) -> str:
    return SMALLEST + f"    params: {{ {text} }}\n"


def params_of(text: str) -> DynamoDbParameters:
    return read(with_params(text)).config.datasets[0].params


@pytest.mark.parametrize(
    "one, other, value",
    [
        ("dynamodb_region", "dynamodb_aws_region", "eu-west-1"),
        ("endpoint_url", "dynamodb_endpoint_url", "http://localhost:8000"),
        ("dynamodb_stream_poll_interval", "scan_interval", "1s"),
        ("ready_lag", "dynamodb_replication_ready_lag", "5s"),
        (
            "dynamodb_stream_shard_not_found_behavior",
            "lag_exceeds_shard_retention_behavior",
            "ready_before_load",
        ),
        (
            "dynamodb_stream_shard_not_found_behavior",
            "dynamodb_replication_invalid_checkpoint_behavior",
            "error",
        ),
    ],
)
def test_two_spellings_mean_the_same(one: str, other: str, value: str) -> None:
    assert params_of(f'{one}: "{value}"') == params_of(f'{other}: "{value}"')


def test_every_spelling_leads_to_a_field_and_every_field_has_a_spelling() -> None:
    assert set(SPELLINGS.values()) == set(DynamoDbParameters.model_fields)


def test_the_polls_of_a_dataset_are_bounded_by_a_setting() -> None:
    config = read(with_params("max_calls_per_s: 50")).config

    settings = wire(config, config.datasets[0]).capture_settings

    assert settings.max_calls_per_second == 50.0


def test_milliseconds_are_read_as_a_number_and_as_text() -> None:
    assert params_of("dynamodb_stream_ready_lag_ms: 3000").ready_lag == 3
    assert params_of('dynamodb_stream_ready_lag_ms: "3000"').ready_lag == 3


@pytest.mark.parametrize("value", ["2s", "-5", "1.5", "true", "[1]"])
def test_what_is_no_number_of_milliseconds_is_refused(value: str) -> None:
    assert problems(with_params(f"dynamodb_stream_ready_lag_ms: {value}")) == [
        "datasets[0].params.dynamodb_stream_ready_lag_ms: must be a whole number of milliseconds"
    ]


def test_restart_is_a_fresh_load_before_serving() -> None:
    found = params_of("dynamodb_replication_invalid_checkpoint_behavior: restart")

    assert found.shard_not_found_behavior == "ready_after_load"


def test_a_poll_interval_of_zero_means_adaptive() -> None:
    assert params_of("scan_interval: 0s") == DynamoDbParameters()


def test_keys_without_a_word_about_authentication_are_used() -> None:
    found = params_of("dynamodb_access_key_id: AKID, dynamodb_secret_access_key: hush")

    assert found.auth == "key"


def test_null_is_as_good_as_absent() -> None:
    assert params_of("dynamodb_region: null, scan_segments: null") == DynamoDbParameters()


def test_a_wrong_value_is_named_by_the_spelling_of_the_file() -> None:
    assert problems(with_params("dynamodb_replication_ready_lag: 5")) == [
        (
            "datasets[0].params.dynamodb_replication_ready_lag: "
            "5 is not a duration; write e.g. 250ms, 2s, 2m, 18h"
        )
    ]


def test_one_parameter_in_two_spellings_is_refused() -> None:
    assert problems(with_params("dynamodb_region: a, dynamodb_aws_region: b")) == [
        (
            "datasets[0].params.dynamodb_aws_region: "
            "means the same as dynamodb_region; keep one of the two"
        )
    ]


def test_a_typo_comes_with_a_suggestion() -> None:
    assert problems(with_params("dynamodb_regoin: eu-west-1")) == [
        "datasets[0].params.dynamodb_regoin: unknown parameter; did you mean dynamodb_region?"
    ]


@pytest.mark.parametrize(
    "text, problem",
    [
        ("scan_segments: 0", "scan_segments: must be at least 1, not 0"),
        ("scan_segments: many", "scan_segments: must be a whole number, not 'many'"),
        ("scan_max_rcu: 0", "scan_max_rcu: must be above 0, not 0"),
        ("max_calls_per_s: -1", "max_calls_per_s: must be above 0, not -1"),
        ("allow_empty: perhaps", "allow_empty: must be true or false, not 'perhaps'"),
        ("dynamodb_auth: magic", "dynamodb_auth: 'magic' is not allowed; use iam_role or key"),
        (
            "endpoint_url: localhost:8000",
            "endpoint_url: 'localhost:8000' is not a URL; begin with https:// or http://",
        ),
        ("dynamodb_region: 7", "dynamodb_region: must be text (put it in quotes), not 7"),
    ],
)
def test_a_wrong_value_is_told_what_is_right(text: str, problem: str) -> None:
    assert problems(with_params(text)) == [f"datasets[0].params.{problem}"]


@pytest.mark.parametrize(
    "text, problem",
    [
        (
            "dynamodb_aws_auth: key",
            (
                "dynamodb_auth is key, so dynamodb_access_key_id and dynamodb_secret_access_key "
                "are needed"
            ),
        ),
        (
            "near_expired_after: 30h",
            "near_expired_after is beyond expired_after; make it shorter",
        ),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(text: str, problem: str) -> None:
    assert problems(with_params(text)) == [f"datasets[0].params: {problem}"]


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_what_has_no_effect_is_a_warning_with_the_reason(name: str) -> None:
    (warning,) = read(with_params(f"{name}: 3")).warnings

    assert warning == f"datasets[0].params.{name}: has no effect ({WITHOUT_EFFECT[name]})"


def test_polling_faster_than_the_service_allows_is_a_warning() -> None:
    (warning,) = read(with_params("scan_interval: 50ms")).warnings

    assert warning == (
        "datasets[0].params.scan_interval: under 200ms is limited to 5 reads per second and shard"
    )


def test_keys_that_are_not_used_are_a_warning() -> None:
    loaded = read(with_params("dynamodb_auth: iam_role, dynamodb_access_key_id: AKID"))

    assert loaded.warnings == (
        (
            "datasets[0].params.dynamodb_access_key_id: "
            "has no effect, because the authentication is iam_role"
        ),
    )
