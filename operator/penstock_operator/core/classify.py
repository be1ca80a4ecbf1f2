"""From pod facts to a verdict: the door to the three tables, in the order in which they apply.

`fates`: the engine has ended, and left no outcome. `standing`: it runs and has claimed. `starting`: it has not begun.
"""

from __future__ import annotations

from .facts import Facts
from .fates import judge_fate
from .standing import show_running
from .starting import show_starting
from .verdict import Showing, Verdict


def classify(facts: Facts, retrying: str = "") -> Showing | Verdict:
    """Return what a pod's facts mean, where no report does.

    Args:
        facts: of the pod.
        retrying: what became of the attempt before; empty for the first.

    Raises:
        Need: a fact that only a live read can tell.
    """
    if facts.ended:
        return judge_fate(facts)
    if facts.claimed:
        return show_running(facts, retrying)
    return show_starting(facts)
