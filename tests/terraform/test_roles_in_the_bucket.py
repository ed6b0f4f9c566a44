"""Snowmelt under each rendered role, on a store that enforces them."""

from collections.abc import Callable

import pytest

from tests.terraform.grants import Less, lacking, of_service
from tests.terraform.rendering import role_policies
from tests.terraform.stories import REFUSALS, STORIES, UNTOLD, Scene, prepare

_LESS = [
    pytest.param(role, number, less, id=f"{role}: {less.name}")
    for role in STORIES
    for number, less in enumerate(lacking(of_service(role_policies()[role], "s3")))
    if less.name.partition(" ")[2] not in UNTOLD
]


@pytest.mark.parametrize("role", STORIES)
def test_a_role_does_its_work(role: str, scene: Callable[[str], Scene]) -> None:
    here = scene(role.replace("_", "-"))
    prepare(role, here)

    STORIES[role](here)


@pytest.mark.parametrize("role, number, less", _LESS)
def test_a_role_that_lacks_one_thing_is_denied(
    role: str, number: int, less: Less, scene: Callable[[str], Scene]
) -> None:
    here = scene(f"{role.replace('_', '-')}-{number}")
    prepare(role, here)

    with pytest.raises(REFUSALS) as refused:
        STORIES[role](here)

    assert "AccessDenied" in str(refused.value) or ": 403" in str(refused.value)
    assert any(action in str(refused.value) for action in less.actions)
