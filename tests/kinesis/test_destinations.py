"""A destination that was disabled for a while: no position tells that changes were lost."""

from collections.abc import Callable

import pytest

from cdc.errors import DestinationDisabled, Trimmed
from tests.simulators.world import World

DISABLED = DestinationDisabled("the Kinesis destination of table routes is DISABLED")


def is_disabled_for(world: World, seconds: float) -> Callable[[], None]:
    return lambda: world.table.fail("describe", DISABLED, seconds=seconds)


def test_a_node_that_sees_its_destination_enabled_again_says_that_there_is_a_gap() -> None:
    world = World()
    world.fill(5)
    world.clock.after(30.0, is_disabled_for(world, 100.0))

    with pytest.raises(Trimmed, match="disabled, and enabled again"):
        world.run(300.0)


def test_a_node_that_ends_before_says_so_when_it_is_started() -> None:
    world = World()
    world.fill(5)
    world.clock.after(30.0, is_disabled_for(world, 100.0))
    world.run(100.0)
    world.clock.advance(100.0)

    with pytest.raises(Trimmed, match="disabled, and enabled again"):
        world.run(10.0)
