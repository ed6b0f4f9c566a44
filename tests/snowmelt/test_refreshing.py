"""Whatever happens to a table without a stream, what was read of it last is served on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdc.errors import CdcError
from restorer.errors import WouldOverwrite
from snowmelt import files
from snowmelt.config_file import parse
from snowmelt.dataset import DatasetRuntime
from snowmelt.errors import RefreshRefused
from snowmelt.load import load_table
from snowmelt.wiring import DatasetPlan, wire
from tests.e2e.nodes import table_params
from tests.servers import faults
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.proxy import fault_proxy
from tests.servers.turnstile import turnstile

PATIENCE_SECONDS = 90.0


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def plan_of(server: DynamoDBLocal, table: str, path: Path) -> DatasetPlan:
    """One dataset, refreshed each second."""
    section = {
        "from": f"dynamodb:{table}",
        "name": "routes",
        "params": table_params(server),
        "acceleration": {
            "engine": "sqlite",
            "path": str(path),
            "refresh_mode": "full",
            "refresh_check_interval": "1s",
        },
    }
    config = parse(yaml.safe_dump({"version": "v1", "datasets": [section]}), {}, "test").config
    return wire(config, config.datasets[0])


@contextmanager
def running(server: DynamoDBLocal, table: str, path: Path) -> Iterator[DatasetRuntime]:
    dataset = DatasetRuntime(plan_of(server, table, path))
    dataset.start()
    try:
        yield dataset
    finally:
        assert dataset.stop(PATIENCE_SECONDS)


def rows(dataset: DatasetRuntime) -> int | None:
    file = dataset.accelerator
    try:
        return None if file is None else file.row_count()
    except CdcError:  # closed meanwhile, for a newer one
        return None


def trouble(dataset: DatasetRuntime) -> tuple[bool, int | None]:
    """Whether it is ready, and the exit code of its problem."""
    status = dataset.status()
    return status.ready, status.problem.exit_code if status.problem else None


def message(dataset: DatasetRuntime) -> str:
    """What is told of its problem; nothing while another try is under way."""
    problem = dataset.status().problem
    return problem.message if problem else ""


def test_dynamodb_local_an_emptied_a_denied_and_another_table_leave_the_last_good_file_served(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    client, table = dynamodb_local.dynamodb(), dynamodb_local.table(view=None).name
    item: dict[str, Any] = {"id": {"S": "a"}}

    with fault_proxy(dynamodb_local.endpoint_url) as proxy:
        through = replace(dynamodb_local, endpoint_url=proxy.endpoint_url)
        with running(through, table, tmp_path / "live.sqlite") as dataset:
            until(lambda: trouble(dataset) == (False, 7))  # nothing was ever in it
            client.put_item(TableName=table, Item=item)
        with running(through, table, tmp_path / "live.sqlite") as dataset:
            until(lambda: rows(dataset) == 1)
            client.delete_item(TableName=table, Key=item)
            said = "0 items were read, and what is served has 1"
            until(lambda: trouble(dataset) == (True, 7) and said in message(dataset))
            assert rows(dataset) == 1
            client.put_item(TableName=table, Item=item)

        proxy.fail(faults.DYNAMODB_DENIED, faults.action("Scan"))
        with running(through, table, tmp_path / "live.sqlite") as dataset:
            until(lambda: trouble(dataset) == (True, 9))
            assert rows(dataset) == 1
            proxy.heal()
            client.put_item(TableName=table, Item={"id": {"S": "b"}})
            until(lambda: rows(dataset) == 2)
            # A refresh under way could have looked at the old table, and would read the new one.
            proxy.fail(faults.DYNAMODB_DENIED, faults.action("Scan"))
            until(lambda: trouble(dataset) == (True, 9))
            _make_anew(client, table)
            proxy.heal()
            until(lambda: trouble(dataset) == (True, 3))
            assert rows(dataset) == 2
        client.delete_table(TableName=table)
        with running(through, table, tmp_path / "live.sqlite") as dataset:
            until(lambda: trouble(dataset) == (True, 7))
            assert rows(dataset) == 2


def test_dynamodb_local_a_table_that_is_made_anew_while_it_is_read_is_not_served(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    client, table = dynamodb_local.dynamodb(), dynamodb_local.table(view=None).name
    for name in ("a", "b"):
        client.put_item(TableName=table, Item={"id": {"S": name}})

    with turnstile(dynamodb_local.endpoint_url) as (gate, address):
        through = replace(dynamodb_local, endpoint_url=address)
        with running(through, table, tmp_path / "live.sqlite") as dataset:
            until(lambda: rows(dataset) == 2)
            gate.hold("Scan")
            until(lambda: gate.held > 0)
            _make_anew(client, table)
            gate.let_go()
            until(lambda: trouble(dataset) == (True, 3))
            assert rows(dataset) == 2


def test_dynamodb_local_bootstrap_loads_a_table_without_a_stream_and_refuses_an_empty_one(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    client, table = dynamodb_local.dynamodb(), dynamodb_local.table(view=None).name
    plan = plan_of(dynamodb_local, table, tmp_path / "live.sqlite")

    def load(*, replace: bool) -> bool:
        stop = threading.Event()
        return load_table(plan, replace=replace, stop=stop, progress_mode="none")

    with pytest.raises(RefreshRefused, match=f"the refresh of table {table} is refused: it is"):
        load(replace=False)
    assert not plan.path.exists()

    client.put_item(TableName=table, Item={"id": {"S": "a"}})
    assert load(replace=False)
    with pytest.raises(WouldOverwrite):
        load(replace=False)
    client.put_item(TableName=table, Item={"id": {"S": "b"}})
    assert load(replace=True)
    with files.opened(plan, plan.path) as file:
        assert file.row_count() == 2


def _make_anew(client: Any, table: str) -> None:
    described = client.describe_table(TableName=table)["Table"]
    kept = {name: described[name] for name in ("TableName", "KeySchema", "AttributeDefinitions")}
    client.delete_table(TableName=table)
    client.create_table(**kept, BillingMode="PAY_PER_REQUEST")
    client.put_item(TableName=table, Item={"id": {"S": "of another table"}})
