"""Locations and parameters of stores."""

import pytest

from snapshotter.errors import StoreRefused
from snapshotter.location import Location, StoreParams, parse_location
from snapshotter.stores import open_store


@pytest.mark.parametrize(
    "url, location",
    [
        ("s3://bucket", Location("s3", "bucket", "")),
        ("s3://bucket/", Location("s3", "bucket", "")),
        ("s3://bucket/a/b/", Location("s3", "bucket", "a/b")),
        ("file:///var/lib/x", Location("file", "", "var/lib/x")),
        ("memory://name/a", Location("memory", "name", "a")),
        ("abfs://container@account.dfs/x", Location("abfs", "container@account.dfs", "x")),
    ],
)
def test_a_location_is_taken_apart(url: str, location: Location) -> None:
    assert parse_location(url) == location


@pytest.mark.parametrize("url", ["s3://bucket/a/b", "s3://bucket", "file:///var/lib/x"])
def test_a_location_prints_as_it_was_written(url: str) -> None:
    assert parse_location(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bucket/path",
        "/var/lib/x",
        "file://relative/path",
        "file:///",
        "file:///a/../b",
        "s3://",
        "s3://bucket/a//b",
        "s3://bucket/../other",
        "S3://bucket",
        "s3://bucket/a\nb",
    ],
)
def test_what_is_no_location_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        parse_location(url)

    assert "://" in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://AKIA1:s3cret@bucket/path", "AKIA1:s3cret@bucket"])
def test_credentials_in_a_location_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        parse_location(url)

    assert "s3cret" not in str(caught.value) + caught.value.hint


def test_an_unknown_scheme_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(StoreRefused) as caught:
        open_store("ftp://host/path", StoreParams())

    assert "s3" in caught.value.hint


def test_parameters_print_without_their_secrets() -> None:
    params = StoreParams(auth="key", key="AKIA1", secret="s3cret", session_token="t0ken")

    assert not [word for word in ("AKIA1", "s3cret", "t0ken") if word in repr(params)]


def test_a_key_may_not_be_longer_than_s3_allows() -> None:
    location = Location("s3", "bucket", "p" * 500)

    location.full_key("k" * 523)
    with pytest.raises(StoreRefused):
        location.full_key("k" * 524)


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b"])
def test_a_prefix_may_end_anywhere(prefix: str) -> None:
    assert Location("s3", "bucket", "p").full_prefix(prefix) == f"p/{prefix}"


@pytest.mark.parametrize("prefix", ["..", "/", "a//", "../", "a/../"])
def test_a_prefix_leads_nowhere_else(prefix: str) -> None:
    with pytest.raises(StoreRefused):
        Location("s3", "bucket", "p").full_prefix(prefix)
