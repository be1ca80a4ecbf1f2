"""The schedule of a chaos, drawn from one seed: what the proxy does to requests and when, who is killed, when the API server goes away.

Pure. Each kind of weather comes at least once in a chaos that is long enough; which of the requests of an episode are struck is drawn from
the same seed, in the order in which they arrive. Neighbours: `proxy` asks it about each request, `campaign` keeps the appointments.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

# Of an episode; less where all kinds would not fit in otherwise.
EPISODE_SECONDS = (0.7, 1.8)
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Fault(StrEnum):
    """What may befall a request."""

    ERROR = "error"  # 500 or 503, not carried out
    ERROR_AFTER = "error after"  # 500 or 504, carried out
    THROTTLED = "throttled"  # 429 with Retry-After
    CONFLICT = "conflict"  # 409, not carried out
    UNAUTHORIZED = "unauthorized"  # 401
    SLOW = "slow"  # asked late
    SLOW_ANSWER = "slow answer"  # answered late
    DROPPED = "dropped"  # the connection ends before it is carried out
    LOST = "lost answer"  # the connection ends after it was carried out
    REPEATED = "repeated"  # carried out twice, as by a proxy that tries again
    # Of watches:
    CUT = "cut"  # ends in the middle of a line
    EXPIRED = "expired"  # 410, as an answer or as an event
    BROKEN = "broken"  # an event of type ERROR with code 500
    HELD = "held"  # events come late, in order


# Of each kind of weather: what befalls how many of the requests. A fault that does not fit a request (a conflict of a GET) spares it.
KINDS: dict[str, dict[Fault, float]] = {
    "calm": {},
    "errors": {Fault.ERROR: 0.35, Fault.ERROR_AFTER: 0.15},
    "throttling": {Fault.THROTTLED: 0.4},
    "conflicts": {Fault.CONFLICT: 0.5},
    "unauthorized": {Fault.UNAUTHORIZED: 0.15},
    "slowness": {Fault.SLOW: 0.3, Fault.SLOW_ANSWER: 0.3},
    "lost answers": {Fault.LOST: 0.5},
    "drops": {Fault.DROPPED: 0.4},
    "repetition": {Fault.REPEATED: 0.6},
    "stale watches": {Fault.HELD: 1.0},
    "stale and lossy": {Fault.HELD: 1.0, Fault.LOST: 0.3, Fault.SLOW: 0.1},
    "cut watches": {Fault.CUT: 1.0},
    "expiry": {Fault.EXPIRED: 1.0},
    "broken watches": {Fault.BROKEN: 0.5},
    "everything": dict.fromkeys(Fault, 0.06),
    "refusal": {},  # nobody listens
}
OF_WATCHES = frozenset({Fault.CUT, Fault.EXPIRED, Fault.BROKEN, Fault.HELD})
OF_WRITES = frozenset({Fault.CONFLICT, Fault.REPEATED})
# What may befall a watch as well, when it is asked for.
OF_ALL = frozenset({Fault.ERROR, Fault.THROTTLED, Fault.UNAUTHORIZED, Fault.SLOW, Fault.DROPPED})


@dataclass(frozen=True, slots=True)
class Episode:
    """Some seconds of one kind of weather."""

    begin: float
    end: float
    kind: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that is done to operator and control plane; times in seconds since the beginning.

    The weather's clock stands still while the API server is away: there would be nothing for it to spoil. The others' goes on, and so
    they have appointments for twice the time.

    Attributes:
        seconds: how long it lasts, on the weather's clock; afterwards there is peace.
        episodes: of weather, on its clock.
        kills: when the first operator is killed.
        second: when a second operator is there, from and to; it is killed in the end.
        outages: when the API server is killed, and for how long it stays away, on the weather's clock.
        compactions: when etcd forgets its past.
        meddlings: from when to when others meddle with the namespace, on the weather's clock.
    """

    seed: int
    seconds: float
    episodes: tuple[Episode, ...]
    kills: tuple[float, ...]
    second: tuple[tuple[float, float], ...]
    outages: tuple[tuple[float, float], ...]
    compactions: tuple[float, ...]
    meddlings: tuple[tuple[float, float], ...]

    def weather(self, at: float) -> str:
        """The kind of weather at a moment."""
        return next((e.kind for e in self.episodes if e.begin <= at < e.end), "calm")


def schedule(seed: int, seconds: float, *, outages: int, elect: bool = False) -> Schedule:
    """Draw a schedule.

    Args:
        seed: of everything.
        seconds: how long the faults last.
        outages: how often the API server is killed.
        elect: whether the operators share a lease: then there are always two, and a leader lives long enough to lead.
    """
    rng = random.Random(f"schedule {seed}")
    apart = seconds / max(outages, 1)
    away = [(apart * (n + rng.uniform(0.3, 0.6)), rng.uniform(0.3, 1.5)) for n in range(outages)]
    return Schedule(
        seed=seed,
        seconds=seconds,
        episodes=tuple(_episodes(rng, seconds)),
        kills=tuple(_moments(rng, 2 * seconds, 6.0, 18.0) if elect else _kills(rng, seconds)),
        second=((1.0, 4 * seconds),) if elect else tuple(_pairs(rng, 2 * seconds)),
        outages=tuple(away),
        compactions=tuple(max(0.5, at - rng.uniform(-0.5, 1.0)) for at, _ in away) + tuple(_moments(rng, 2 * seconds, 8, 15)),
        meddlings=tuple(_meddlings(random.Random(f"meddling {seed}"), seconds)),
    )  # fmt: skip


def _episodes(rng: random.Random, seconds: float) -> Iterator[Episode]:
    at = 0.5
    least, most = EPISODE_SECONDS
    scale = min(1.0, (seconds - at) / (most * len(KINDS)))
    for _ in itertools.count():
        kinds = list(KINDS)
        rng.shuffle(kinds)
        for kind in kinds:
            end = at + scale * rng.uniform(least, most)
            if end > seconds:
                return
            yield Episode(at, end, kind)
            at = end


def _kills(rng: random.Random, seconds: float) -> Iterator[float]:
    """Often; but in half of all chaoses one operator goes through the last third of it, whatever the weather."""
    least, most = rng.choice(((1.5, 5.0), (2.5, 9.0)))
    end = rng.choice((2.0, 0.65)) * seconds
    return _moments(rng, end, least, most)


def _moments(rng: random.Random, seconds: float, least: float, most: float) -> Iterator[float]:
    at = rng.uniform(least, most)
    while at < seconds:
        yield at
        at += rng.uniform(least, most)


def _meddlings(rng: random.Random, seconds: float) -> Iterator[tuple[float, float]]:
    """One after the other; short enough that a run which waits for all of them still ends in time."""
    at = rng.uniform(0.5, 2.0)
    while at < seconds:
        end = min(at + rng.uniform(0.5, 2.5), seconds)
        yield at, end
        at = end + rng.uniform(2.0, 5.0)


def _pairs(rng: random.Random, seconds: float) -> Iterator[tuple[float, float]]:
    at = rng.uniform(1, 5)
    while at < seconds:
        end = min(at + rng.uniform(3, 8), seconds)
        yield at, end
        at = end + rng.uniform(3, 8)


class Dice:
    """Decides for each request what befalls it.

    Args:
        seed: of the chaos.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"dice {seed}")

    def fault(self, kind: str, method: str, *, watch: bool) -> Fault | None:
        """Return what befalls a request in that weather; None: nothing."""
        drawn = self._rng.random()
        for fault, share in KINDS[kind].items():
            if watch != (fault in OF_WATCHES) and fault not in OF_ALL:
                continue
            if fault in OF_WRITES and method not in WRITES:
                continue
            if fault is Fault.CONFLICT and method == "DELETE":
                continue
            if drawn < share:
                return fault
            drawn -= share
        return None

    def between(self, least: float, most: float) -> float:
        """Draw a number."""
        return self._rng.uniform(least, most)

    def one_of(self, *choices: int) -> int:
        """Draw one of several."""
        return self._rng.choice(choices)
