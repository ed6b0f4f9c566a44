"""DynamoDB Local: real streams with a parent chain, trims and iterator expiry.

The jar comes from scripts/test-servers.sh, or from SNOWMELT_DYNAMODB_LOCAL_DIR, a folder with
DynamoDBLocal.jar and DynamoDBLocal_lib/.
"""

import dataclasses
import glob
import itertools
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.availability import missing
from tests.servers.clients import client
from tests.servers.process import ManagedProcess, free_ports, http_status

# Half of its CPU goes into optimising code (to start: 4.5 s against 2.0, to take 2,000 items: 4.6
# against 1.7), which comes back only after minutes of work. Its clock's ticks cost a fifth more
# where faketime makes hundreds of each.
_NO_TICKS = "-XX:-UsePerfData -XX:+UnlockDiagnosticVMOptions -XX:GuaranteedSafepointInterval=0"
_SHORT_LIFE = ("-Xmx512m", "-XX:TieredStopAtLevel=1", *_NO_TICKS.split())
_LONG_LIFE = ("-Xmx3g",)
START_SECONDS = 120  # up to 15 s seen on a busy machine
_HOME = Path(__file__).parents[2] / ".cache" / "dynamodb-local"
_FAKETIME = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
)
_table_numbers = itertools.count(1)
_database_numbers = itertools.count(1)


@dataclass(frozen=True)
class DynamoDBLocal:
    """Address and credentials; every table name from `table` is new.

    The server keeps one database per access key. `alone` gives one that nobody else uses: in a
    shared one, writes slow down with the stream records of all its tables (measured with 5,000
    flights a table: 1,029 items/s into the first, 107 into the fifth; alone, 1,900 every time).
    """

    endpoint_url: str
    access_key: str = "snowmelt"  # letters and digits only, it refuses anything else
    secret_key: str = "secret"
    region: str = "us-east-1"
    process: ManagedProcess | None = field(default=None, repr=False, compare=False)

    def alone(self) -> "DynamoDBLocal":
        """The same server, with an empty database."""
        return dataclasses.replace(self, access_key=f"database{next(_database_numbers)}")

    def client(self, service: str, **config: Any) -> Any:
        return client(
            service,
            endpoint_url=self.endpoint_url,
            access_key=self.access_key,
            secret_key=self.secret_key,
            region=self.region,
            **config,
        )

    def dynamodb(self, **config: Any) -> Any:
        return self.client("dynamodb", **config)

    def streams(self, **config: Any) -> Any:
        return self.client("dynamodbstreams", **config)

    def table(
        self,
        name: str = "test",
        *,
        keys: Sequence[tuple[str, str]] = (("id", "S"),),
        view: str | None = "NEW_AND_OLD_IMAGES",
    ) -> "Table":
        """Make a table; `keys` are (name, type) of partition and sort key, no `view` no stream."""
        unique = f"{name}-{next(_table_numbers)}"
        stream = {"StreamEnabled": True, "StreamViewType": view}
        # A server whose clock runs fast takes a moment's wait of a connection for minutes.
        dynamodb = self.dynamodb(retries={"mode": "standard", "total_max_attempts": 9})
        try:
            description = dynamodb.create_table(
                TableName=unique,
                KeySchema=[
                    {"AttributeName": key, "KeyType": kind}
                    for (key, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)
                ],
                AttributeDefinitions=[
                    {"AttributeName": key, "AttributeType": kind} for key, kind in keys
                ],
                BillingMode="PAY_PER_REQUEST",
                **({"StreamSpecification": stream} if view else {}),
            )["TableDescription"]
        except dynamodb.exceptions.ResourceInUseException:  # made by a try that got no answer
            description = dynamodb.describe_table(TableName=unique)["Table"]
        return Table(unique, description.get("LatestStreamArn"), description.get("TableId"))


@dataclass(frozen=True)
class Table:
    name: str
    stream_arn: str | None
    table_id: str | None


def _jar_home() -> Path:
    named = os.environ.get("SNOWMELT_DYNAMODB_LOCAL_DIR")
    home = Path(named) if named else _HOME
    if not (home / "DynamoDBLocal.jar").exists():
        missing("DynamoDB Local is missing: run scripts/test-servers.sh (make test does)")
    return home


def find_libfaketime() -> str:
    patterns = (glob.glob(pattern) for pattern in _FAKETIME)  # noqa: PTH207 - absolute patterns
    found = sorted(itertools.chain.from_iterable(patterns))
    if not found:
        missing("libfaketime is missing (Debian: apt-get install faketime)")
    return found[0]


def _faketime_settings(faketime: str | Path) -> dict[str, str]:
    preload = {"LD_PRELOAD": find_libfaketime()}
    if isinstance(faketime, str):
        return {**preload, "FAKETIME": faketime}
    return {
        **preload,
        "FAKETIME_TIMESTAMP_FILE": str(faketime),
        "FAKETIME_CACHE_DURATION": "1",
    }


def start_dynamodb_local(
    home: Path, *, faketime: str | Path | None = None, large: bool = False
) -> DynamoDBLocal:
    """Start an empty server; `faketime` is libfaketime's FAKETIME, such as "+0 x1800".

    A path names a file with such a text, which is read again each second. For each page of a Scan
    it reads the whole segment: the heap of a server that is not `large` does for 100,000 flights.
    """
    java = shutil.which("java")
    if java is None:
        missing("Java is missing (Debian: apt-get install openjdk-17-jre-headless)")
    jar_home = _jar_home()
    settings = {} if faketime is None else _faketime_settings(faketime)
    (port,) = free_ports(1)
    process = ManagedProcess(
        "dynamodb-local",
        [
            java,
            *(_LONG_LIFE if large else _SHORT_LIFE),
            f"-Djava.library.path={jar_home / 'DynamoDBLocal_lib'}",
            "-jar",
            str(jar_home / "DynamoDBLocal.jar"),
            "-inMemory",
            "-disableTelemetry",
            "-port",
            str(port),
        ],
        home=home,
        environment=settings,
    )
    endpoint_url = f"http://127.0.0.1:{port}"
    # An unsigned GET is refused with 400: the answer is what counts.
    process.wait_until(lambda: http_status(endpoint_url + "/") is not None, seconds=START_SECONDS)
    return DynamoDBLocal(endpoint_url=endpoint_url, process=process)
