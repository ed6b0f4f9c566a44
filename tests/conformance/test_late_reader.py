"""A consumer with common mistakes in the place of ours fails the stories of its mistakes."""

from pathlib import Path

import pytest

from tests.conformance import stories  # noqa: F401 - registers them
from tests.conformance.late_reader import LateReader
from tests.conformance.stage import ScriptedStage
from tests.conformance.story import STORIES

BY_NAME = {story.name: story for story in STORIES}
FAILS = (
    "three_rollovers_are_followed",  # its shards are those of the start
    "shards_are_never_begun_at_their_latest_record",
    "a_record_that_was_trimmed_unread_is_a_gap_at_each_start",
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
