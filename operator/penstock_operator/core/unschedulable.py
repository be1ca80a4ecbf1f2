"""Why the scheduler found no node: its message, parsed into causes a person can act on.

The message of the condition PodScheduled reads `0/5 nodes are available: 3 Insufficient cpu, 2 node(s) had untolerated taint(s) {…}.`, with
the preemption's result behind it. It is prose, not an API: what is not understood is passed on as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The scheduler names the first obstacle of each node, so these don't overlap; tried in order ("volume node affinity" is a volume's).
_CAUSES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^Insufficient cpu$"), "InsufficientCpu"),
    (re.compile(r"^Insufficient memory$"), "InsufficientMemory"),
    (re.compile(r"^Insufficient ephemeral-storage$"), "InsufficientEphemeralStorage"),
    (re.compile(r"^(Too many pods|Insufficient pods)$"), "InsufficientPods"),
    (re.compile(r"^Insufficient \S+$"), "InsufficientResource"),
    (re.compile(r"taint"), "Taint"),
    (re.compile(r"volume|persistentvolumeclaim|PersistentVolume"), "Volume"),
    (re.compile(r"didn't match Pod's node affinity/selector|didn't match node selector"), "NodeSelector"),
    (re.compile(r"(anti-)?affinity"), "Affinity"),
    (re.compile(r"topology spread"), "Topology"),
    (re.compile(r"unschedulable"), "Taint"),
    (re.compile(r"free ports"), "HostPort"),
)
_NODES = re.compile(r"^(\d+)/(\d+) nodes are available: (.*)$", re.DOTALL)
_COUNTED = re.compile(r"^(\d+) (?:node\(s\) )?(.*)$")


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """The parsed message: its main cause (most nodes), and a line for a person."""

    cause: str
    line: str


def parse_scheduler_message(message: str) -> Unschedulable:
    """Return why no node takes the pod.

    Args:
        message: of the condition PodScheduled=False.
    """
    text = " ".join(message.split())
    if not text:
        return Unschedulable("Unknown", "the scheduler gives no reason")
    if text.startswith("no nodes available") or text.startswith("0/0 nodes"):
        return Unschedulable("NoNodes", "the cluster has no nodes to schedule on")
    found = _NODES.match(text)
    if found is None:
        return Unschedulable(_cause(text), text)
    head = re.split(r"\. preemption:|\. no new claims|, no new claims", found[3], maxsplit=1)[0].rstrip(". ")
    counts: dict[str, int] = {}
    for part in _parts(head):
        counted = _COUNTED.match(part)
        number, reason = (int(counted[1]), counted[2]) if counted else (int(found[2]), part)
        cause = _cause(reason)
        counts[cause] = counts.get(cause, 0) + number
    main = max(counts, key=lambda c: counts[c]) if counts else "Unknown"
    return Unschedulable(main, f"{found[1]} of {found[2]} nodes fit: {head}")


def _parts(text: str) -> list[str]:
    """Split at commas that a count follows; a taint's or a resource's own words may hold commas."""
    return [p.strip() for p in re.split(r",\s+(?=\d+ )", text) if p.strip()]


def _cause(reason: str) -> str:
    return next((name for pattern, name in _CAUSES if pattern.search(reason)), "Other")
