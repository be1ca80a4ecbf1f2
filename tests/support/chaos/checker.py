"""Whether what happened to a run is right: pure, from the facts alone.

What holds of every run: a terminal state is the last, attempts only count up and are judged once, one process of an attempt may claim and
none but it may report, no pod of an attempt while the engine of the one before lives, nothing begins once cancellation is asked, the
state is what the last accepted report says. What holds of one fate: where it ends, and which attempts were lost on the way.
Neighbours: `history` (the facts), `fates` (what is right).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .fates import GONE, Fate
from .history import Fact, Lived, PodSeen, Said, Version

MOST_VERSIONS = 80  # of one run: more is a loop that writes
OUTCOMES = frozenset({"Completed", "Failed", "Cancelled", "Crashed"})


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that must not be."""

    run: str
    rule: str
    words: str

    def __str__(self) -> str:
        return f"{self.run}: {self.rule}: {self.words}"


@dataclass(frozen=True, slots=True)
class Ran:
    """One run and the facts about it, in the order in which they came."""

    name: str
    fate: Fate
    versions: tuple[Version, ...]
    pods: tuple[PodSeen, ...]
    said: tuple[Said, ...]
    lived: tuple[Lived, ...]

    @property
    def gone(self) -> bool:
        return bool(self.versions) and self.versions[-1].deleted


def ran(name: str, fate: Fate, facts: Iterable[Fact]) -> Ran:
    """Sort the facts about a run by their kinds."""
    facts = list(facts)
    return Ran(
        name,
        fate,
        tuple(f for f in facts if isinstance(f, Version)),
        tuple(f for f in facts if isinstance(f, PodSeen)),
        tuple(f for f in facts if isinstance(f, Said)),
        tuple(f for f in facts if isinstance(f, Lived)),
    )


def check(it: Ran) -> list[Wrong]:
    """Return everything that is wrong about a run."""
    found = []
    for name, rule in RULES.items():
        found += [Wrong(it.name, name, words) for words in rule(it)]
    return found


def finished(fate: Fate, last: Version | None, *, applied: bool) -> bool:
    """Whether nothing more is to come of a run, as far as its own object tells."""
    if GONE in fate.ends:
        return applied and last is None
    return last is not None and last.terminal


# --- where it ends --------------------------------------------------------------------------------------------------------------------------


def _ended(it: Ran) -> Iterator[str]:
    """Stuck: it has not ended although the cluster is fair."""
    if not it.versions:
        yield "it was never seen"
    elif GONE in it.fate.ends:
        if not it.gone:
            yield f"it was deleted, and is still there as {it.versions[-1].state}"
    elif not it.versions[-1].terminal:
        yield f"it is still {it.versions[-1].state or 'without a state'}: {_message(it.versions[-1])}"


def _right_end(it: Ran) -> Iterator[str]:
    last = _last(it)
    if last is not None and GONE not in it.fate.ends and last.terminal and last.state not in it.fate.ends:
        yield f"it is {last.state} ({_message(last)}), not {' or '.join(sorted(it.fate.ends))}"


def _right_losses(it: Ran) -> Iterator[str]:
    last = _last(it)
    if last is None:
        return
    cut_short = it.fate.acts or GONE in it.fate.ends
    right = [lost[: len(last.judged)] if cut_short else lost for lost in it.fate.lost]
    if last.judged not in right:
        yield f"its judged attempts are {_listed(last.judged)}, not {' or '.join(map(_listed, it.fate.lost))}"
    budgets = [entry.rpartition("/")[2] for entry in last.judged]
    used = {name: budgets.count(name) for name in ("infrastructure", "neverStarted", "application")}
    counted = {name: int((last.status.get("retries") or {}).get(name, 0)) for name in used}
    if used != counted:
        yield f"its counters {counted} are not what its attempts used, {used}"


# --- on the way -----------------------------------------------------------------------------------------------------------------------------


def _terminal_is_final(it: Ran) -> Iterator[str]:
    for before, after in _pairs(it.versions):
        if not before.terminal or after.uid != before.uid:
            continue
        for field in ("state", "completionTime", "attempt", "attempts", "result", "error"):
            if before.status.get(field) != after.status.get(field):
                yield f"{field} changed after {before.state}: {before.status.get(field)} -> {after.status.get(field)}"


def _attempts(it: Ran) -> Iterator[str]:
    for before, after in _pairs(it.versions):
        if after.attempt < before.attempt:
            yield f"the attempt went back from {before.attempt} to {after.attempt}"
        if len(after.judged) < len(before.judged) or not all(map(_amended, before.judged, after.judged)):
            yield f"judged attempts changed from {_listed(before.judged)} to {_listed(after.judged)}"
    for version in it.versions:
        numbers = [a["number"] for a in version.status.get("attempts") or ()]
        if numbers != sorted(set(numbers)):
            yield f"attempts are judged twice or out of order: {numbers}"
        if numbers and numbers[-1] != version.attempt - 1:
            yield f"attempt {version.attempt} is under way, and {numbers[-1]} was judged last"
        report = version.status.get("report")
        if report is not None and report.get("attempt") != version.attempt:
            yield f"the report of attempt {report.get('attempt')} stands beside attempt {version.attempt}"


def _steps(it: Ran) -> Iterator[str]:
    """Nothing begins once cancellation is asked: each write is based on the newest spec, so this is exact."""
    for before, after in _pairs(it.versions):
        if before.cancel_asked and after.attempt > before.attempt:
            yield f"attempt {after.attempt} began although cancellation had been asked"
        if before.cancel_asked and after.type == "Scheduled" and before.type != "Scheduled":
            yield f"it went from {before.state} to {after.state} although cancellation had been asked"
    if len(it.versions) > MOST_VERSIONS:
        yield f"{len(it.versions)} versions of one run: somebody writes in a loop"


def _pods(it: Ran) -> Iterator[str]:
    ended: dict[str, int] = {}  # by UID: the version at which no process could run in it any more
    added: dict[int, list[PodSeen]] = {}
    for pod in it.pods:
        if pod.event == "ADDED":
            added.setdefault(pod.attempt, []).append(pod)
        if pod.ended:
            ended.setdefault(pod.uid, pod.rv)
    for attempt, pods in added.items():
        if len(pods) > 1 and not it.fate.loses_pods:
            yield f"attempt {attempt} had {len(pods)} pods"
        begun = next((v.rv for v in it.versions if v.attempt >= attempt), 0)
        # One that comes late, when its attempt is judged, can't claim any more; nobody could know of it.
        for earlier in (p for p in added.get(attempt - 1, ()) if p.rv < begun):
            if ended.get(earlier.uid, pods[0].rv + 1) > pods[0].rv:
                yield f"the pod of attempt {attempt} was made while that of attempt {attempt - 1} had not ended"


def _leftovers(it: Ran) -> Iterator[str]:
    """A pod that may still start or run user code."""
    if not _over(it) or it.fate.obeys == "never":
        return
    for pod in {pod.uid: pod for pod in it.pods}.values():
        if not pod.ended:
            yield f"pod {pod.pod} is left behind, {pod.phase} {pod.words}"


def _claims(it: Ran) -> Iterator[str]:
    """Doubles: two processes that may both run user code and report."""
    claimed: dict[int, str] = {}
    alive: dict[str, int] = {}
    facts: list[Lived | Said] = [*it.lived, *it.said]
    for fact in sorted(facts, key=lambda f: f.at):
        if isinstance(fact, Lived):
            if not fact.begins:
                alive.pop(fact.instance, None)
        elif fact.accepted and fact.type == "Running" and fact.instance not in alive:
            other = claimed.setdefault(fact.attempt, fact.instance)
            if other != fact.instance:
                yield f"two processes of attempt {fact.attempt} have claimed: {other} and {fact.instance}"
            if alive and not it.fate.outlives:
                yield f"{fact.instance} has claimed while {', '.join(alive)} was running"
            alive[fact.instance] = fact.attempt
    done = next((v.rv for v in it.versions if v.terminal), None)
    for said in it.said:
        if said.accepted and done is not None and said.rv > done and said.type == "Running":
            yield f"a claim of {said.instance} was accepted after the end"


def _reports(it: Ran) -> Iterator[str]:
    """What was accepted counts; and nothing counts that nobody said."""
    switched = _switches(it.versions)
    for said in it.said:
        over = switched.get(said.attempt)
        if said.accepted and over is not None and said.rv > over:
            yield f"attempt {said.attempt} was judged, and a report ({said.type}) of {said.instance} was accepted afterwards"
    last = _last(it)
    if last is None or not last.terminal:
        return
    mine = [s for s in it.said if s.attempt == last.attempt and s.type in OUTCOMES]
    accepted = [s for s in mine if s.accepted]
    before = [s for s in accepted if s.rv < _ended_at(it)]
    if before and before[-1].type != last.type:
        yield f"the report {before[-1].type} of attempt {last.attempt} was accepted, and the run is {last.state}"
    if last.type == "Completed":
        result = (last.status.get("result") or {}).get("json", "").strip('"')
        known = {s.instance for s in it.said if s.attempt == last.attempt}
        if result not in known:
            yield f"its result {result!r} is of no process of attempt {last.attempt}: {sorted(known)}"


def _consistent(it: Ran) -> Iterator[str]:
    for version in it.versions:
        if not version.state:
            continue
        conditions = {c["type"]: c["status"] for c in version.status.get("conditions") or ()}
        wanted = {
            "Finished": version.terminal,
            "Ready": version.type == "Completed",
            "Reconciling": not version.terminal,
        }
        for name, true in wanted.items():
            if (conditions.get(name) == "True") is not true:
                yield f"condition {name} is {conditions.get(name)} in {version.state}"
        if version.terminal is not ("completionTime" in version.status):
            yield f"completionTime is {version.status.get('completionTime')} in {version.state}"
    last = _last(it)
    ran = any(s.accepted and s.type == "Running" for s in it.said if GONE not in it.fate.ends)
    if last is not None and last.terminal and ran and "startTime" not in last.status:
        yield "a claim was accepted, and the run has no startTime"


RULES: dict[str, Callable[[Ran], Iterator[str]]] = {
    "stuck": _ended,
    "wrong end": _right_end,
    "wrong losses": _right_losses,
    "end undone": _terminal_is_final,
    "attempts": _attempts,
    "begun in vain": _steps,
    "pods": _pods,
    "left behind": _leftovers,
    "doubled": _claims,
    "reports": _reports,
    "conditions": _consistent,
}


# --- helpers --------------------------------------------------------------------------------------------------------------------------------


def _last(it: Ran) -> Version | None:
    return it.versions[-1] if it.versions else None


def _amended(before: str, after: str) -> bool:
    """Whether a judged attempt may read so now: the cause of an interruption is told when it is known, and what it counts as stays.

    Only what its queue turns out to have taken back is counted in nothing from then on.
    """
    reason, _, budget = before.partition("/")
    return before == after or (reason == "Interrupted" and (after.endswith(f"/{budget}") or after == "Preempted/-"))


def _over(it: Ran) -> bool:
    last = _last(it)
    return last is not None and (last.deleted or last.terminal)


def _ended_at(it: Ran) -> int:
    return next((v.rv for v in it.versions if v.terminal), 2**62)


def _switches(versions: Sequence[Version]) -> dict[int, int]:
    """By attempt: the version at which it was over, because the next one or the end was written."""
    over: dict[int, int] = {}
    for version in versions:
        for number in range(1, version.attempt):
            over.setdefault(number, version.rv)
    return over


def _pairs(versions: Sequence[Version]) -> Iterable[tuple[Version, Version]]:
    return itertools.pairwise(versions)


def _message(version: Version) -> str:
    return str((version.status.get("state") or {}).get("message", ""))


def _listed(entries: Sequence[str]) -> str:
    return f"[{', '.join(entries)}]"
