"""The steps of the demonstration and its result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdc.rebuild import ItemSetDigest
from snowmelt.demo.cloud import Cloud
from snowmelt.demo.node import DemoNode, NodeFailed
from snowmelt.progress import Mode, progress


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What was measured and whether the three copies are equal."""

    engine: str
    rows_source: int
    rows_bootstrap: int
    rows_restored: int
    changes_applied: int
    digest_source: str
    digest_bootstrap: str
    digest_cold_start: str
    equal: bool
    bootstrap_seconds: float
    cold_start_seconds: float
    cold_start_speedup: float
    snapshot_bytes_full: int
    snapshot_bytes_incremental: int
    total_seconds: float

    def to_json(self) -> dict[str, Any]:
        """The document of `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to do. `say` gets one line per step."""

    rows: int
    changes: int
    engine: str
    directory: Path
    inject_mismatch: bool
    progress: Mode
    say: Callable[[str], None]


def run(plan: DemoPlan) -> DemoResult:
    """Play the whole way once. Raises NodeError where a node fails."""
    begun = time.monotonic()
    cloud = Cloud()
    nodes: list[DemoNode] = []
    try:
        return _play(plan, cloud, nodes, begun)
    finally:
        for node in nodes:
            _stop_quietly(node)
        cloud.close()


def _play(plan: DemoPlan, cloud: Cloud, nodes: list[DemoNode], begun: float) -> DemoResult:
    def node(name: str, snapshots: str) -> DemoNode:
        made = DemoNode(name, plan.directory, cloud.endpoint_url, plan.engine, snapshots)
        nodes.append(made)
        return made

    plan.say(f"loading {plan.rows:,} items into a DynamoDB table (embedded AWS)")
    cloud.create_table()
    with progress("loading", plan.progress, unit="items") as report:
        cloud.load(plan.rows, report)

    plan.say("starting the central node: it bootstraps by Scan and follows the stream")
    central = node("central", "enabled")
    central.start()
    full = _first_snapshot(central)

    plan.say(f"changing {plan.changes:,} items while it runs, then a second snapshot")
    changes = cloud.change(plan.rows, plan.changes)
    central.wait_for_records(changes)
    incremental = int(central.create_snapshot()["new_bytes"])
    central.stop()

    plan.say("a new node by cold start from the newest snapshot")
    restored = node("cold-start", "bootstrap_only")
    cold_start_seconds = restored.start()
    restored.stop()

    plan.say("a new node by bootstrap, the way without snapshots")
    bootstrapped = node("bootstrap", "disabled")
    bootstrap_seconds = bootstrapped.start()
    bootstrapped.stop()

    plan.say("comparing both with a plain Scan of the table, item by item")
    source = _scan_source(plan, cloud)
    return DemoResult(
        engine=plan.engine,
        changes_applied=changes,
        bootstrap_seconds=round(bootstrap_seconds, 3),
        cold_start_seconds=round(cold_start_seconds, 3),
        cold_start_speedup=round(bootstrap_seconds / cold_start_seconds, 1),
        snapshot_bytes_full=full,
        snapshot_bytes_incremental=incremental,
        **_compare(source, bootstrapped.digest(), restored.digest()),
        total_seconds=round(time.monotonic() - begun, 3),
    )


def _scan_source(plan: DemoPlan, cloud: Cloud) -> ItemSetDigest:
    if plan.inject_mismatch:
        cloud.put_stray_item()
    source = ItemSetDigest()
    with progress("scanning", plan.progress, unit="items") as report:
        for page in cloud.scan():
            source.add_all(page)
            report(source.count, plan.rows)
    return source


def _compare(
    source: ItemSetDigest, bootstrapped: ItemSetDigest, restored: ItemSetDigest
) -> dict[str, Any]:
    digests = (source.hexdigest(), bootstrapped.hexdigest(), restored.hexdigest())
    return {
        "rows_source": source.count,
        "rows_bootstrap": bootstrapped.count,
        "rows_restored": restored.count,
        "digest_source": digests[0],
        "digest_bootstrap": digests[1],
        "digest_cold_start": digests[2],
        "equal": len(set(digests)) == 1,
    }


def _first_snapshot(central: DemoNode, deadline_seconds: float = 60.0) -> int:
    """Bytes of the snapshot that a producer publishes by itself once it is ready."""
    deadline = time.monotonic() + deadline_seconds
    snapshot: dict[str, Any] = {}
    while time.monotonic() < deadline:
        snapshot = central.status()["snapshot"] or {}
        if snapshot.get("published_total"):
            return int(snapshot["last_new_bytes"])
        time.sleep(0.05)
    raise NodeFailed(f"{central.name} has published no snapshot: {json.dumps(snapshot)}")


def _stop_quietly(node: DemoNode) -> None:
    # Only reached with a node still running when another step has failed already.
    try:
        node.stop()
    except NodeFailed:
        return
