"""What is examined: a table, a location, or both, and the fleet that is planned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdc.aws import AwsParams
from cdc.dynamodb import DynamoDbSource
from cdc.kinesis import KinesisSource
from cdc.table_only import TableSource
from snapshotter.location import StoreParams
from snowmelt.fleet_cost import Route

Examined = DynamoDbSource | KinesisSource


@dataclass(frozen=True, slots=True)
class PlannedFleet:
    """Nodes that will follow the snapshots. `poll_seconds`: between looks at the pointer."""

    nodes: int
    poll_seconds: float = 60.0
    route: Route = "gateway"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined. `path`: where the dataset's file would lie.

    `table` None: nothing but the store, as on an edge. `dataset`: whose snapshots are looked for in
    the location; the table's name if it is not given. `has_stream`: the table's stream is to be
    followed; else the table is read anew by Scan alone. `by_kinesis`: that stream is its Kinesis
    destination, or the one of `stream_arn`. `max_rcu`: the bound of the scan.
    """

    table: str | None
    aws: AwsParams
    location: str | None
    store: StoreParams
    path: Path
    has_stream: bool = True
    by_kinesis: bool = False
    stream_arn: str | None = None
    dataset: str | None = None
    max_rcu: float | None = None
    fleet: PlannedFleet | None = None

    @property
    def name(self) -> str | None:
        """Whose snapshots the location holds, if that is known."""
        return self.dataset or self.table

    def source(self) -> Examined:
        """The table as it will be read; no request is sent yet."""
        if self.table is None:
            raise ValueError("there is no table")
        if self.by_kinesis:
            return KinesisSource(self.table, self.aws, stream_arn=self.stream_arn)
        return (DynamoDbSource if self.has_stream else TableSource)(self.table, self.aws)
