"""A folder for a drill: alone in it, empty, gone afterwards."""

from pathlib import Path

import pytest

from cdc.errors import FileBusy, FileUnusable
from restorer.scratch import scratch_folder


def test_the_folder_is_empty_and_goes(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "flights") as folder:
        (folder / "file").write_bytes(b"data")
        (folder / "file.d").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_drill_left_is_removed(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "flights") as folder:
        name = folder.name
    left = tmp_path / name
    (left / "file.d").mkdir(parents=True)
    (left / "file").write_bytes(b"data")
    (left / "link").symlink_to(tmp_path)

    with scratch_folder(tmp_path, "flights") as folder:
        assert [each.name for each in folder.iterdir()] == ["lock"]
    assert list(tmp_path.iterdir()) == []


def test_it_goes_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path, "flights"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_two_drills_of_one_dataset_do_not_share_it(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "flights") as folder:
        (folder / "file").write_bytes(b"data")
        with pytest.raises(FileBusy, match="another drill"), scratch_folder(tmp_path, "flights"):
            pass
        assert (folder / "file").exists()
        with scratch_folder(tmp_path, "other") as another:
            assert another != folder


def test_a_link_laid_in_its_place_is_refused(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "flights") as folder:
        name = folder.name
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"data")
    (tmp_path / name).symlink_to(precious)

    refused = pytest.raises(FileUnusable, match="is not a folder of this user")
    with refused, scratch_folder(tmp_path, "flights"):
        pass
    assert (precious / "file").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(FileUnusable, match="cannot write"), scratch_folder(tmp_path / "file", "a"):
        pass
