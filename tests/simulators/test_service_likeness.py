"""The simulated service against DynamoDB Local: one script on both, one answer."""

from collections.abc import Iterator

import pytest

from tests.servers.dynamodb_local import DynamoDBLocal
from tests.simulators.likeness import ALIKE, UNLIKE, Script
from tests.simulators.partners import Partner, local_partners, simulated_partners


@pytest.fixture(scope="module")
def simulated_tables() -> Iterator[Iterator[Partner]]:
    with simulated_partners(len(ALIKE) + len(UNLIKE)) as partners:
        yield partners


@pytest.fixture(scope="module")
def local_tables(dynamodb_local_server: DynamoDBLocal) -> Iterator[Partner]:
    return local_partners(dynamodb_local_server.alone())


@pytest.fixture
def simulated(simulated_tables: Iterator[Partner]) -> Partner:
    return next(simulated_tables)


@pytest.fixture
def local(local_tables: Iterator[Partner]) -> Partner:
    return next(local_tables)


@pytest.mark.parametrize("script", ALIKE, ids=lambda script: script.__name__)
def test_the_simulated_service_answers_as_dynamodb_local(
    script: Script, simulated: Partner, local: Partner
) -> None:
    assert script(simulated) == script(local)


@pytest.mark.parametrize("script", UNLIKE, ids=lambda script: script.__name__)
def test_the_simulated_service_answers_as_the_service_where_dynamodb_local_does_not(
    script: Script, simulated: Partner, local: Partner
) -> None:
    assert script(simulated) == UNLIKE[script].service
    assert script(local) == UNLIKE[script].local, f"now alike? {UNLIKE[script].why}"
