"""The fixtures. Servers start when the first test asks, and end with the session."""

from collections.abc import Callable, Iterator

import pytest

from tests.servers.dynamodb_local import DynamoDBLocal, start_dynamodb_local
from tests.servers.kinesalite import Kinesalite, start_kinesalite
from tests.servers.moto import MotoServer, running_moto
from tests.servers.moving_clock import MovingClock, start_with_moving_clock
from tests.servers.seaweedfs import SeaweedFS, start_seaweedfs

__all__ = [
    "dynamodb_local",
    "dynamodb_local_faketime",
    "dynamodb_local_moving",
    "dynamodb_local_moving_server",
    "dynamodb_local_server",
    "kinesalite",
    "kinesalite_server",
    "moto_server",
    "seaweedfs",
]


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """One SeaweedFS for the session; take a bucket of your own: `seaweedfs.bucket()`."""
    server = start_seaweedfs(tmp_path_factory.mktemp("seaweedfs"))
    yield server
    if server.process:
        server.process.stop()


@pytest.fixture(scope="session")
def dynamodb_local_server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[DynamoDBLocal]:
    """One DynamoDB Local for the session, for fixtures that outlive a test: call `alone()`."""
    large = bool(request.config.getoption("--full"))
    server = start_dynamodb_local(tmp_path_factory.mktemp("dynamodb-local"), large=large)
    yield server
    if server.process:
        server.process.stop()


@pytest.fixture
def dynamodb_local(dynamodb_local_server: DynamoDBLocal) -> DynamoDBLocal:
    """An empty database for this test on the session's server."""
    return dynamodb_local_server.alone()


@pytest.fixture
def dynamodb_local_faketime(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], DynamoDBLocal]]:
    """Start servers whose clock runs otherwise: `dynamodb_local_faketime("+0 x1800")`.

    At x1800 shards roll over each 8 s, iterators expire in 0.5 s, records are trimmed after 48 s.
    Each call starts a server of its own; they end with the test.
    """
    started: list[DynamoDBLocal] = []

    def start(faketime: str = "+0 x1800") -> DynamoDBLocal:
        home = tmp_path_factory.mktemp("dynamodb-faketime")
        started.append(start_dynamodb_local(home, faketime=faketime))
        return started[-1]

    yield start
    for server in started:
        if server.process:
            server.process.stop()


@pytest.fixture(scope="session")
def dynamodb_local_moving_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MovingClock]:
    """One DynamoDB Local for the session whose clock tests move."""
    moving = start_with_moving_clock(tmp_path_factory.mktemp("dynamodb-moving"))
    yield moving
    if moving.server.process:
        moving.server.process.stop()


@pytest.fixture
def dynamodb_local_moving(dynamodb_local_moving_server: MovingClock) -> MovingClock:
    """An empty database on a server whose clock this test moves: `advance(hours=17)`."""
    return dynamodb_local_moving_server.alone()


@pytest.fixture(scope="session")
def kinesalite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinesalite]:
    """One kinesalite for the session, for fixtures that outlive a test."""
    server = start_kinesalite(tmp_path_factory.mktemp("kinesalite"))
    yield server
    if server.process:
        server.process.stop()


@pytest.fixture
def kinesalite(kinesalite_server: Kinesalite) -> Iterator[Kinesalite]:
    """The session's server; take a stream of your own: `kinesalite.stream(shards=2)`."""
    yield kinesalite_server
    kinesalite_server.reset()


@pytest.fixture(scope="module")
def moto_server() -> Iterator[MotoServer]:
    """One moto server for the tests of a file, shared: use names of your own."""
    with running_moto() as server:
        yield server
