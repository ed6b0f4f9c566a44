"""Telling a story once to learn which gates it passes, then until a process died at each of them.

A life has up to three deaths, a third of the story apart, because most of what a life costs is the
way to its gate and the way on to its end. `landed` has the sites at which a process died, for the
test that none was left out.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from tests.crash.lives import Gate
from tests.crash.stories import Story

_DEATHS = 3
_MOST_TRIES = 3
# Elsewhere the instant behind is the instant before the next.
_DECISIVE = ("commit", "COMMIT", "put_if_match", "put_object")


@dataclass
class Landed:
    """Kills by story, and the sites where they happened.

    `is_mine`: something has to die there in this file of tests; `is_elsewhere`: in another one.
    """

    is_mine: Callable[[str], bool]
    is_elsewhere: Callable[[str], bool] = lambda _site: False
    kills: Counter[str] = field(default_factory=Counter)
    sites: set[str] = field(default_factory=set)
    report: Callable[[str, int], object] = lambda _story, _kills: None

    def add(self, story: str, gate: Gate) -> None:
        self.kills[story] += 1
        self.sites.add(site_of(gate.at))

    def is_new(self, site: str) -> bool:
        """True if nothing died there yet, nor has to elsewhere."""
        return site not in self.sites and not self.is_elsewhere(site)


def site_of(gate: str) -> str:
    """The site of `before SITE` or `behind SITE`."""
    return gate.partition(" ")[2]


def chosen(passed: Iterable[str], *, thorough: bool = False) -> Iterator[Gate]:
    """The gates to die at: before each site, and in the middle of the story behind what decides.

    `thorough`: before and behind each, at the first, the middle and the last passing.
    """
    for gate, times in Counter(line for line in passed if _is_gate(line)).items():
        counts = {1, (times + 1) // 2, times} if thorough else set()
        if gate.startswith("before"):
            counts.add(1)
        elif gate.partition("#")[0].endswith(_DECISIVE):
            counts.add((times + 1) // 2)
        yield from (Gate(gate, count) for count in sorted(counts))


def _is_gate(line: str) -> bool:
    return line.startswith(("before ", "behind "))


def lives(passed: Sequence[str], gates: Iterable[Gate], deaths: int) -> list[list[Gate]]:
    """The gates by lives, each in the order of the story."""
    places = {gate: _place(passed, gate) for gate in gates}
    ordered = sorted(places, key=lambda gate: places[gate])
    count = -(-len(ordered) // deaths)
    return [ordered[first::count] for first in range(count)]


def _place(passed: Sequence[str], gate: Gate) -> int:
    at = [place for place, line in enumerate(passed) if line == gate.at]
    return at[gate.countdown - 1]


def _counted_anew(passed: Sequence[str], gates: Sequence[Gate]) -> Iterator[Gate]:
    """What a process has to pass that begins where the one before it died."""
    begin = 0
    for gate in gates:
        place = _place(passed, gate)
        yield replace(gate, countdown=passed[begin : place + 1].count(gate.at))
        begin = place + 1


def tell_all(
    name: str,
    story: Story,
    landed: Landed,
    *,
    only: Callable[[str], bool] = lambda _site: True,
    thorough: bool = False,
) -> None:
    """Tell a story without a gate, then until something died at each that it passed."""
    passed = [line for line in story(()).gates() if only(site_of(line))]
    gates = list(chosen(passed, thorough=thorough))
    missed: list[Gate] = []
    hit: set[str] = set()

    def tell(*gates: Gate) -> int:
        deaths = len(story(list(_counted_anew(passed, gates))).deaths)
        for gate in gates[:deaths]:
            landed.add(name, gate)
            hit.add(site_of(gate.at))
        return deaths

    # Asked for in full, each death has a life of its own.
    untold = deque(lives(passed, gates, deaths=1 if thorough else _DEATHS))
    while untold:
        told = untold.popleft()
        deaths = tell(*told)
        missed += told[deaths : deaths + 1]
        if told[deaths + 1 :]:
            untold.append(told[deaths + 1 :])
    for gate in missed:
        # Whether upkeep is due in a story, and how often, depends on how records came in batches.
        tries = 1 if site_of(gate.at) in hit else _MOST_TRIES
        any(tell(gate) for _ in range(tries))
    landed.report(name, landed.kills[name])
    unhit = [gate for gate in missed if site_of(gate.at) not in hit]
    assert not unhit, f"{name}: the node never came to {', '.join(map(str, unhit))}"
