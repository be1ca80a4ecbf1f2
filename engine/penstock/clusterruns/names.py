"""What a run that is started is called, and how a second request for it is told from another's.

A run's name follows from its Flow and its idempotency key; the key and a digest of what was asked for are written down on the
object, so that the same request finds the run that it has made (its answer may have been lost), and another one under the same
key is told so. Pure. Neighbours: `creating` makes the object.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from penstock.kube.paths import GROUP_VERSION

LONGEST_NAME: Final = 52
ANNOTATION_KEY: Final = "penstock.dev/idempotency-key"
ANNOTATION_DIGEST: Final = "penstock.dev/request-digest"
LABEL_PARENT: Final = "penstock.dev/parent-run-uid"
_HASH: Final = 12
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
_OPEN_FIELDS = ("displayName", "scheduledTime", "desiredState", "priority", "inputs")


def run_name(flow: str, key: str) -> str:
    """Give the name of the run of a Flow that a key stands for."""
    digest = hashlib.sha256(f"{flow}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{flow[: LONGEST_NAME - _HASH - 1].rstrip('-.')}-{digest}"


def checked_name(name: str, what: str) -> str:
    """Give the name back if an object can have it.

    Raises:
        TypeError: It is no text.
        ValueError: It cannot; the text says what a name is, and a name that would do.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of {what} is a text; {type(name).__name__} was given.")
    if len(name) <= LONGEST_NAME and _DNS_LABEL.match(name):
        return name
    better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_NAME].strip("-")
    hint = f", {better!r} for instance" if better else ""
    raise ValueError(
        f"{name!r} is no name of {what}: at most {LONGEST_NAME} small letters, digits and '-', a letter or digit first and last{hint}."
    )


def flow_name(flow: Any) -> str:
    """Give the name of a Flow resource: of a text, or of a flow in code.

    Raises:
        ValueError: It can be none; Prefect's `flow/deployment` is told what takes its place.
        TypeError: It is neither.
    """
    name = flow if isinstance(flow, str) else getattr(flow, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"flow must be the name of a Flow, or a flow; {type(flow).__name__} was given.")
    if "/" in name:
        raise ValueError(
            f"{name!r} is Prefect's form flow/deployment; here a Flow resource is what a deployment was there: give its name "
            "alone. The namespace is an argument of its own."
        )
    return checked_name(name, "a Flow")


def shown_key(key: str) -> str:
    """Give a key as it is written down: itself, or, where it is long, its hash."""
    return key if len(key) <= 512 else f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def digest(spec: Mapping[str, Any]) -> str:
    """Give what tells one request from another: of all fields that no later request may change."""
    fixed = {name: value for name, value in spec.items() if name not in _OPEN_FIELDS}
    text = json.dumps(fixed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def owner_reference(name: str, uid: str) -> dict[str, Any]:
    """Give what makes a run the child of another: with its parent it is deleted."""
    return {
        "apiVersion": GROUP_VERSION,
        "kind": "FlowRun",
        "name": name,
        "uid": uid,
        "controller": True,
        # Its author may not block the parent's deletion: that is a right of its own.
        "blockOwnerDeletion": False,
    }
