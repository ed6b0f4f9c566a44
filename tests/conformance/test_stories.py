"""Every story on the simulated service, on virtual time; and every number has one."""

import ast
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import stories  # noqa: F401 - registers them
from tests.conformance.consumer import OURS, AnotherSource, Gap, NoStream, maker_of
from tests.conformance.stage import ScriptedStage
from tests.conformance.story import ELSEWHERE, ROWS, RULES, STORIES, Story
from tests.conformance.tally import KEY

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def goes_on() -> Iterator[None]:
    """An end that a story does not expect is a failure of the consumer."""
    try:
        yield
    except (Gap, AnotherSource, NoStream) as error:
        raise AssertionError(f"it ended in {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.id)
def test_story(story: Story, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    consumer = request.config.getoption("--consumer")
    request.node.user_properties.append((KEY, f"simulated: {story.id}"))
    over_http = story.over_http or consumer != OURS
    opened = ScriptedStage.opened(
        maker_of(consumer), tmp_path, shards=story.shards, over_http=over_http
    )
    with opened as stage, goes_on():
        story.play(stage)


@pytest.mark.parametrize("number", [*ROWS, *RULES])
def test_every_number_has_a_story(number: str) -> None:
    assert [story.name for story in STORIES if number in story.numbers], number


def test_every_story_plays_a_number_that_there_is() -> None:
    numbers = {number for story in STORIES for number in story.numbers}
    assert numbers | ELSEWHERE.keys() <= ROWS.keys() | RULES.keys()
    assert len({story.name for story in STORIES}) == len(STORIES)


@pytest.mark.parametrize("test", sorted({test for tests in ELSEWHERE.values() for test in tests}))
def test_what_is_told_elsewhere_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
