"""A consumer with common mistakes takes the place of ours, and fails the stories of its mistakes."""

from pathlib import Path

import pytest

from tests.conformance import stories  # noqa: F401 - registers them
from tests.conformance.late_reader import LateReader
from tests.conformance.stage import ScriptedStage
from tests.conformance.story import STORIES

BY_NAME = {story.name: story for story in STORIES}
FAILS = (
    "three_rollovers_are_followed",  # its shards are those of the start
    "rollovers_on_the_third_page_of_a_listing_are_followed",  # and of the first page
    "shards_are_never_begun_at_their_latest_record",
    "a_record_that_was_trimmed_unread_is_a_gap_at_each_start",
    "a_restart_resumes_behind_its_last_record_without_a_scan",  # it has no checkpoint
    "a_table_made_again_under_its_name_is_never_read_on",
    "while_nothing_answers_lag_grows_and_it_is_said",  # its loop is alive
)


def play(name: str, folder: Path) -> None:
    story = BY_NAME[name]
    with ScriptedStage.opened(LateReader, folder, shards=story.shards) as stage:
        story.play(stage)


@pytest.mark.parametrize("name", FAILS)
def test_it_fails_the_story_of_its_mistake(name: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        play(name, tmp_path)


def test_it_passes_where_none_of_its_mistakes_counts(tmp_path: Path) -> None:
    play("a_write_after_sixteen_minutes_of_silence_is_read", tmp_path)
