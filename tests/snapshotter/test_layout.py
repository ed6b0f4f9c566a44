"""Names: they print, parse and sort, and nothing foreign gets through them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter import layout
from snapshotter.layout import SnapshotId

IDS = st.builds(
    SnapshotId,
    st.integers(0, 10**6 - 1),
    st.integers(0, 10**12 - 1),
    st.integers(0, 4_000_000_000_000),
)
ID = "000003-000000000017-20260922T120000123Z"


@given(IDS)
def test_an_id_that_is_printed_and_parsed_is_the_same(one: SnapshotId) -> None:
    assert SnapshotId.parse(str(one)) == one


@given(IDS, IDS)
def test_ids_sort_as_they_print(one: SnapshotId, other: SnapshotId) -> None:
    assert (one < other) == (str(one) < str(other))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ID[:-1],
        ID + " ",
        ID + "\n",
        "../" + ID,
        ID.replace("3", "３", 1),
        "000003-000000000017-20261322T120000123Z",
        "000003-000000000017-20260922T126000123Z",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a snapshot id|must be in"):
        SnapshotId.parse(text)


def test_an_id_too_large_for_its_width_is_refused() -> None:
    with pytest.raises(ValueError, match="no snapshot id"):
        str(SnapshotId(10**6, 0, 0))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "-a", ".a", "a b", "ä", "a" * 129, "a\n"]
)
def test_a_dataset_name_is_one_part_of_a_key(name: str) -> None:
    with pytest.raises(ValueError, match="not a dataset name"):
        layout.pointer_key(name)


@pytest.mark.parametrize("name", ["a", "flights", "control-plane_2", "Table.v1", "a" * 128])
def test_names_of_tables_are_dataset_names(name: str) -> None:
    assert layout.bucket_key(name) == f"{name}/bucket.json"


def test_keys_are_those_of_the_format() -> None:
    pack = layout.pack_name(ID, 4)

    assert layout.manifest_key("flights", ID) == f"flights/snapshots/{ID}/manifest"
    assert layout.pack_key("flights", pack) == f"flights/packs/b/{ID}-00004.pack"
    assert layout.page_key("flights", layout.page_name(ID, "0123456789abcdef")) == (
        f"flights/catalog/{ID}-01234567.json"
    )


def test_keys_parse_back_to_names() -> None:
    pack, page = layout.pack_name(ID, 4), layout.page_name(ID, "01234567")

    assert layout.pack_of_key("flights", layout.pack_key("flights", pack)) == pack
    assert layout.page_of_key("flights", layout.page_key("flights", page)) == page
    assert layout.manifest_snapshot("flights", layout.manifest_key("flights", ID)) == ID


@pytest.mark.parametrize(
    "key",
    [
        f"other/packs/b/{ID}-00004.pack",
        f"flights/packs/0/{ID}-00004.pack",
        f"flights/packs/f/../f/{ID}-00004.pack",
        f"flights/packs/b/{ID}-00004",
        f"/flights/packs/b/{ID}-00004.pack",
        "flights/bucket.json",
    ],
)
def test_a_pack_key_from_elsewhere_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a pack"):
        layout.pack_of_key("flights", key)


@pytest.mark.parametrize(
    "key", [f"other/snapshots/{ID}/manifest", "flights/snapshots/../x/manifest"]
)
def test_a_manifest_key_from_elsewhere_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        layout.manifest_snapshot("flights", key)


def test_packs_of_one_snapshot_are_spread_over_prefixes() -> None:
    keys = [layout.pack_key("flights", layout.pack_name(ID, number)) for number in range(200)]

    assert len({key.split("/")[2] for key in keys}) == 16
