"""A world in which capture calls the simulated table through the real SDK, over HTTP.

Time stays virtual: calls run on the spot, the service tells the virtual time in its Date headers,
and where the SDK or the source pauses between tries, the clock moves on instead.
"""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from cdc.accelerator import Accelerator
from cdc.aws import AwsParams, ServiceClock
from cdc.capture_status import CaptureSettings
from cdc.dynamodb import DynamoDbSource
from tests.simulators.clock import VirtualClock
from tests.simulators.service import simulated_service
from tests.simulators.shards import REGION
from tests.simulators.world import World


def params_of(endpoint_url: str) -> AwsParams:
    return AwsParams(
        region=REGION,
        auth="key",
        access_key_id="simulated",
        secret_access_key="simulated",
        endpoint_url=endpoint_url,
    )


@contextlib.contextmanager
def pauses_move(clock: VirtualClock) -> Iterator[None]:
    """Let pauses of the SDK between retries, and between pages of a listing, take virtual time."""
    virtual = SimpleNamespace(sleep=clock.advance, monotonic=lambda: clock.now)
    with contextlib.ExitStack() as stack:
        for module in ("botocore.endpoint", "cdc.dynamodb", "cdc.listing", "cdc.raw_calls"):
            stack.enter_context(patch(f"{module}.time", virtual))
        stack.enter_context(patch("cdc.listing._budgets", {}))  # turns of another clock
        yield


class HttpWorld(World):
    """The table is served; capture reads it with `DynamoDbSource`."""

    endpoint_url = ""

    @classmethod
    @contextlib.contextmanager
    def served(
        cls,
        *,
        shards: int = 1,
        settings: CaptureSettings | None = None,
        file: Accelerator | None = None,
        seed: int | None = None,
        **table: Any,
    ) -> Iterator["HttpWorld"]:
        world = cls(shards=shards, settings=settings, file=file, seed=seed, **table)
        with simulated_service(world.table) as endpoint_url, pauses_move(world.clock):
            world.endpoint_url = endpoint_url
            world.restart()
            yield world

    def restart(self) -> None:
        """A new process has new connections, and knows nothing of the service's time."""
        clock = ServiceClock(local=lambda: self.clock.now)
        self.source = DynamoDbSource(self.table.name, params_of(self.endpoint_url), clock)

    def follow(self) -> None:
        """Let a bootstrap be over; the next process resumes."""
        self.fill(30)
        self.run_until(lambda: self.capture.status().ready)

    def refusals(self) -> set[str]:
        """Codes of what the service refused."""
        return {call.code for call in self.table.served} - {""}
