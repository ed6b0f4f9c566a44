"""The stories that DynamoDB Local can play, from the same text, on a clock that is not real."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance import stories  # noqa: F401 - registers them
from tests.conformance.consumer import maker_of
from tests.conformance.local_stage import LocalStage
from tests.conformance.story import STORIES, Story
from tests.conformance.tally import KEY
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.moving_clock import MovingClock


def played_on(clock: str) -> list[Story]:
    return [story for story in STORIES if story.on_local == clock]


def play(
    story: Story,
    request: pytest.FixtureRequest,
    folder: Path,
    server: DynamoDBLocal,
    clock: MovingClock | None,
) -> None:
    request.node.user_properties.append((KEY, f"DynamoDB Local: {story.id}"))
    maker = maker_of(request.config.getoption("--consumer"))
    with LocalStage.opened(server, clock, maker, folder) as stage:
        story.play(stage)


@pytest.mark.parametrize("story", played_on("jumps"), ids=lambda story: story.id)
def test_story_of_hours(
    story: Story,
    request: pytest.FixtureRequest,
    dynamodb_local_moving: MovingClock,
    tmp_path: Path,
) -> None:
    play(story, request, tmp_path, dynamodb_local_moving.server, dynamodb_local_moving)


@pytest.mark.slow
@pytest.mark.parametrize("story", played_on("fast"), ids=lambda story: story.id)
def test_story_of_rollovers(
    story: Story,
    request: pytest.FixtureRequest,
    dynamodb_local_faketime: Callable[[str], DynamoDBLocal],
    tmp_path: Path,
) -> None:
    play(story, request, tmp_path, dynamodb_local_faketime("+0 x1800"), None)
