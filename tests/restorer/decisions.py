"""Every case of the decision, by names that a person reads: what is published, what is here.

`docs/decisions.md` is made from these, and the laws are proven over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, get_args

from cdc.checkpoint import Lineage
from restorer.decision import decide
from restorer.facts import (
    Facts,
    LocalFile,
    NearExpired,
    OnFailure,
    Policy,
    Published,
    Rejection,
    Role,
    ShardNotFound,
    Trouble,
)
from restorer.verdict import Decision
from tests.restorer.offers import LINEAGE, candidate, facts, local, published, until

FRESH, NEAR, EXPIRED = 2.0, 19.0, 25.0
SOURCE = (LINEAGE.table_id, LINEAGE.stream_arn)
ANOTHER = Lineage("pipelines", "table-2", "arn:stream-2", "20260603T000000Z-0a1b")

ROLES: tuple[Role, ...] = get_args(Role)
BEHAVIORS: tuple[ShardNotFound, ...] = get_args(ShardNotFound)
FAILURES: tuple[OnFailure, ...] = get_args(OnFailure)


@dataclass(frozen=True)
class Offer:
    """What the bucket offers. `rejected`: versions found damaged on the way."""

    published: Published
    rejected: tuple[int, ...] = ()
    near_expired: NearExpired = "recover"


def snapshot(version: int, age_hours: float, **changes: Any) -> Any:
    """Of generation 2, at which the usual local file is too."""
    generation = changes.get("generation", 2)
    name = f"{generation:06d}-{version:012d}-20260601T000000000Z"
    fields = {"generation": 2, "snapshot_id": name, **changes}
    return candidate(version, age_hours, **fields)


def _offer(*found: Any, **changes: Any) -> Published:
    return published(*found, lineage=LINEAGE if found else None, **changes)


# One that was made later and can be resumed for a shorter time: its producer stood still.
_LATER_AND_EXPIRED = snapshot(9, 1.0, resumable_until=until(EXPIRED))
_OLDER = snapshot(8, FRESH + 1)

OFFERS: dict[str, Offer] = {
    "none": Offer(_offer()),
    "fresh": Offer(_offer(snapshot(9, FRESH))),
    "fresh, of a newer generation": Offer(_offer(snapshot(9, FRESH, generation=3))),
    "near-expired, `recover`": Offer(_offer(snapshot(9, NEAR))),
    "near-expired, `try_resume`": Offer(_offer(snapshot(9, NEAR)), near_expired="try_resume"),
    "expired": Offer(_offer(snapshot(9, EXPIRED))),
    "expired, an older one fresh": Offer(_offer(_LATER_AND_EXPIRED, _OLDER)),
    "damaged": Offer(_offer(snapshot(9, FRESH)), rejected=(9,)),
    "damaged, an older one fresh": Offer(_offer(snapshot(9, FRESH), _OLDER), rejected=(9,)),
    "damaged, an older one expired": Offer(
        _offer(snapshot(9, FRESH), snapshot(8, EXPIRED)), rejected=(9,)
    ),
    "quarantined": Offer(_offer(snapshot(9, FRESH, quarantined="wrong prices"))),
    "quarantined, an older one fresh": Offer(
        _offer(snapshot(9, FRESH, quarantined="wrong prices"), _OLDER)
    ),
    "of another engine": Offer(_offer(snapshot(9, FRESH, engine="sqlite"))),
    "of a newer storage version": Offer(_offer(snapshot(9, FRESH, storage_version="v9.0.0"))),
    "of another table": Offer(
        published(snapshot(9, FRESH, lineage_id=ANOTHER.id), lineage_id=ANOTHER.id, lineage=ANOTHER)
    ),
    "of another table, expired": Offer(
        published(
            snapshot(9, EXPIRED, lineage_id=ANOTHER.id), lineage_id=ANOTHER.id, lineage=ANOTHER
        )
    ),
    "pointer of a newer format": Offer(published(trouble=Trouble(11, "format 2 is not known"))),
    "store away": Offer(published(trouble=Trouble(8, "no answer"))),
}

LOCALS: dict[str, LocalFile] = {
    "none": LocalFile(),
    "fresh": local(7, FRESH + 2, generation=2),
    "stale": local(7, EXPIRED + 2, generation=2),
    "unfinished bootstrap": local(7, FRESH + 2, generation=2, is_complete=False),
    "no file of ours": LocalFile(exists=True, problem="it is a text"),
    "of another table": local(7, FRESH + 2, generation=2, lineage=ANOTHER),
    "ahead of a fork": local(11, FRESH + 2, generation=1),
}


@dataclass(frozen=True)
class Situation:
    """One case. `more`: what its facts have besides."""

    offer: str
    file: str
    role: Role = "central"
    behavior: ShardNotFound = "error"
    on_failure: OnFailure = "fallback"
    allow_bootstrap: bool = True
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def offered(self) -> Offer:
        return OFFERS[self.offer]

    @property
    def local(self) -> LocalFile:
        return LOCALS[self.file]

    @property
    def policy(self) -> Policy:
        return Policy(
            role=self.role,
            near_expired=self.offered.near_expired,
            shard_not_found_behavior=self.behavior,
            bootstrap_on_failure=self.on_failure,
            allow_bootstrap=self.allow_bootstrap and self.role == "central",
            engine="duckdb",
            storage_versions=frozenset({"v1.5.0"}),
        )

    @property
    def facts(self) -> Facts:
        bad = (c for c in self.offered.published.candidates if c.version in self.offered.rejected)
        rejected = tuple(Rejection(each.snapshot_id, 5, "a damaged block") for each in bad)
        source = SOURCE if self.role == "central" else None
        return replace(facts(rejected=rejected, source=source), **self.more)

    def decision(self) -> Decision:
        return decide(self.offered.published, self.local, self.policy, self.facts)


def situations() -> Iterator[Situation]:
    """All of them."""
    settings = product(OFFERS, LOCALS, ROLES, BEHAVIORS, FAILURES, (True, False))
    return (Situation(*each) for each in settings)
