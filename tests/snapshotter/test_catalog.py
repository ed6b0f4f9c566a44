"""The catalog: newest first, bounded, found by id, version and time."""

from typing import Any

from snapshotter import catalog
from snapshotter.format import CATALOG_LIMIT, CatalogEntry


def entry(version: int, **changes: Any) -> CatalogEntry:
    values: dict[str, Any] = {
        "snapshot_id": f"id-{version}",
        "manifest": "",
        "header_length": 512,
        "header_digest": "",
        "lineage_id": "l",
        "generation": 1,
        "version": version,
        "created_at": float(version * 100),
        "watermark": float(version * 100 - 10),
        "resumable_until": None,
        "engine": "duckdb",
        "storage_version": "v1.5.0",
        "row_count": 1,
        "file_bytes": 1,
        "stored_bytes": 1,
        "new_bytes": 1,
        "full_id": "id-1",
    }
    return CatalogEntry(**{**values, **changes})


NEWEST_FIRST = tuple(entry(version) for version in (30, 20, 10))


def test_a_new_entry_comes_first() -> None:
    assert catalog.push(NEWEST_FIRST, entry(40)).catalog == (entry(40), *NEWEST_FIRST)


def test_an_entry_of_the_same_id_is_replaced() -> None:
    pushed = catalog.push(NEWEST_FIRST, entry(20, row_count=5))

    assert [one.version for one in pushed.catalog] == [20, 30, 10]
    assert pushed.overflow == ()


def test_the_catalog_is_bounded_and_nothing_is_lost() -> None:
    full = tuple(entry(version) for version in range(CATALOG_LIMIT, 0, -1))
    pushed = catalog.push(full, entry(CATALOG_LIMIT + 1))

    assert len(pushed.catalog) == CATALOG_LIMIT // 2
    assert pushed.catalog + pushed.overflow == (entry(CATALOG_LIMIT + 1), *full)


def test_by_id() -> None:
    assert catalog.by_id(NEWEST_FIRST, "id-20") == entry(20)
    assert catalog.by_id(NEWEST_FIRST, "id-21") is None


def test_by_version_takes_the_newest_that_is_not_newer() -> None:
    assert catalog.by_version(NEWEST_FIRST, 29) == entry(20)
    assert catalog.by_version(NEWEST_FIRST, 30) == entry(30)
    assert catalog.by_version(NEWEST_FIRST, 9) is None


def test_at_time_compares_the_time_of_the_data() -> None:
    assert catalog.at_time(NEWEST_FIRST, 2990.0) == entry(30)
    assert catalog.at_time(NEWEST_FIRST, 2989.0) == entry(20)
    assert catalog.at_time(NEWEST_FIRST, 1.0) is None


def test_a_snapshot_without_a_watermark_counts_by_its_creation() -> None:
    assert catalog.at_time((entry(30, watermark=None),), 2995.0) is None
    assert catalog.at_time((entry(30, watermark=None),), 3000.0) is not None


def test_a_quarantined_snapshot_is_found_only_by_its_name() -> None:
    entries = (entry(30, quarantined="rows are missing"), entry(20))

    assert catalog.by_id(entries, "id-30") is not None
    assert catalog.by_version(entries, 30) == entry(20)
    assert catalog.at_time(entries, 9e9) == entry(20)
    assert list(catalog.candidates(entries, "id-30")) == [entry(20)]


def test_candidates_begin_at_the_current_one_and_go_back() -> None:
    assert [one.version for one in catalog.candidates(NEWEST_FIRST, "id-20")] == [20, 10]


def test_without_a_current_one_the_newest_is_tried_first() -> None:
    assert list(catalog.candidates(NEWEST_FIRST, None)) == list(NEWEST_FIRST)
