"""Laws of capture, under random writes, splits, kills and orders of answers.

The file ends with the table. Versions grow by one. When capture first calls itself ready, the file
holds every write but those of the last few seconds (lag, resolution and visibility together).
"""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.capture_status import CaptureSettings
from cdc.errors import CdcError, IteratorExpired, Throttled
from tests.simulators.world import World

KEYS = [f"key-{number}" for number in range(40)]
LATEST_SECONDS = 5.0


class Killed(CdcError):
    """Stands for the end of the process."""


def disturb(world: World, chance: random.Random) -> None:
    """One of the things that happen to a table and its stream."""
    shards = world.table.open_shards()
    match chance.randrange(12):
        case 0:
            world.table.split(chance.choice(shards).shard_id)
        case 1:
            world.table.rollover()
        case 2:
            world.table.fail("get_records", Throttled("rate"), times=chance.randrange(4))
        case 3:
            world.table.fail("get_records", IteratorExpired("expired"), times=1)
        case 4:
            world.table.fail("scan", Throttled("rate"), times=chance.randrange(4))
        case 5:
            world.memory.fail_next(Killed("kill -9"), after_commit=chance.random() < 0.5)
        case 6 | 7:
            world.table.delete(chance.choice(KEYS), ttl=chance.random() < 0.5)
        case _:
            for key in chance.sample(KEYS, chance.randrange(1, 10)):
                world.table.put(key, value=chance.randrange(10**9))


def run_through_kills(world: World, seconds: float) -> None:
    end = world.clock.now + seconds
    while world.clock.now < end:
        try:
            world.run(end - world.clock.now)
        except Killed:
            continue


def assert_recent(world: World) -> None:
    """Each key shows its newest write, or one that lay within the last seconds' writes."""
    stored = {item["id"]["S"]: item for page in world.file.items() for item in page}
    horizon = world.clock.now - LATEST_SECONDS
    for key, history in world.table.history.items():
        settled = [item for time, item in history if time <= horizon] or [None]
        allowed = [settled[-1], *(item for time, item in history if time > horizon)]
        assert stored.get(key) in allowed, f"{key}: {stored.get(key)} of {json.dumps(allowed)}"


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    shards=st.integers(1, 3),
    page_records=st.sampled_from([1, 7, 1000]),
    empty_pages=st.sampled_from([0, 4]),
    late=st.sampled_from([0.0, 0.7]),
    propagation=st.sampled_from([0.0, 0.4]),
)
def test_whatever_happens_the_file_ends_with_the_table(
    seed: int, shards: int, page_records: int, empty_pages: int, late: float, propagation: float
) -> None:
    chance = random.Random(seed)
    # With one record in a page, a poll each quarter of a second would not keep up.
    settings = CaptureSettings(
        scan_segments=3, shard_calls_per_second=50.0, poll_interval_seconds=0.02
    )
    world = World(shards=shards, settings=settings, seed=seed)
    world.table.page_records = page_records
    world.table.empty_pages = empty_pages
    world.table.child_listed_after = late
    world.table.propagation_seconds = propagation
    world.table.scan_page_items = 3
    for key in chance.sample(KEYS, 30):
        world.table.put(key, value=0)
    world.table.on_scan = lambda: disturb(world, chance)
    world.clock.every(0.11, lambda: disturb(world, chance), until=4.0)

    run_through_kills(world, 6.0)
    world.table.heal()
    run_through_kills(world, 15.0)

    world.assert_equal()
    versions = [checkpoint.version for checkpoint in world.memory.commits]
    assert versions == list(range(1, len(versions) + 1))


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    shards=st.integers(1, 3),
    empty_pages=st.sampled_from([0, 4]),
    away_seconds=st.sampled_from([0.0, 60.0]),
)
def test_ready_means_that_no_write_but_the_latest_is_missing(
    seed: int, shards: int, empty_pages: int, away_seconds: float
) -> None:
    chance = random.Random(seed)
    world = World(shards=shards, settings=CaptureSettings(scan_segments=2), seed=seed)
    world.table.empty_pages = empty_pages
    world.table.scan_page_items = 4
    for key in chance.sample(KEYS, 30):
        world.table.put(key, value=0)

    def write() -> None:
        world.table.put(chance.choice(KEYS), value=chance.randrange(10**9))

    if away_seconds:
        world.run(3.0)
    world.clock.every(0.3, write, until=chance.choice([0.0, 3.0, 80.0]))
    world.clock.advance(away_seconds)
    world.clock.after(chance.uniform(0, 3), world.table.rollover)

    world.run_until(lambda: world.capture.status().ready, 90.0)

    assert_recent(world)
