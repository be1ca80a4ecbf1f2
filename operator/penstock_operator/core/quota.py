"""A quota's refusal: whether waiting can help, and what is to be changed where it can't.

It helps where others use up what there is. It does not where the pod asks for more than the whole quota, or does not say how much it asks
for. A quota of pods that is nought is how a namespace is closed for a while: there is nothing to change about a run. Rules: the words of
Kubernetes' ResourceQuota admission.
"""

from __future__ import annotations

import re

from .quantities import parse_quantity

_MUST = re.compile(r"must specify (.+)$", re.DOTALL)
_EXCEEDED = re.compile(r"requested: (\S+), used: (\S+), limited: (\S+)")


def advice(message: str) -> str | None:
    """Return what to add or to lower, None where others may give way.

    Args:
        message: of the refusal.
    """
    must = _MUST.search(message)
    if must is not None:
        return f"add {', '.join(_asked(must[1]))}"
    found = _EXCEEDED.search(message)
    if found is None:
        return None
    requested, limited = _amounts(found[1]), _amounts(found[3])
    beyond = [name for name, amount in requested.items() if _beyond(name, amount, limited.get(name))]
    if not beyond:
        return None
    parts = [f"{_field(name)} from {requested[name]} to at most {limited[name]}" for name in beyond]
    return f"lower {', '.join(parts)} (the whole quota), or have the quota raised"


def _asked(words: str) -> list[str]:
    """`limits.cpu for: engine,proxy; limits.memory for: engine`, or `limits.cpu,limits.memory`."""
    asked = []
    for part in words.split(";"):
        names, _, containers = part.strip().partition(" for: ")
        whose = f" of container {containers.strip().replace(',', ', ')}" if containers else ""
        asked += [f"{_field(name.strip())}{whose}" for name in names.split(",") if name.strip()]
    return asked


def _field(name: str) -> str:
    """`requests.memory` and `memory` are the same to a quota, and one field to a user."""
    return f"resources.{name}" if name.startswith(("requests.", "limits.")) else f"resources.requests.{name}"


def _amounts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.rstrip(",").split(","))
    return {name: amount for name, _, amount in pairs if amount}


def _beyond(name: str, requested: str, limited: str | None) -> bool:
    if name == "pods" or name.startswith("count/"):
        return False
    asked, whole = parse_quantity(requested), parse_quantity(limited or "")
    return asked is not None and whole is not None and asked > whole
