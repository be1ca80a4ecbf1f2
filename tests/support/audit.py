"""What the operator asked a real API server for, by the server's audit log, against the rights that it was given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from penstock_operator.runtime.rights import lease_rules, operator_rules
from tests.support.realserver import RealServer

OPERATOR = "system:serviceaccount:penstock-system:penstock"
Right = tuple[str, str, str]  # verb, group, resource

GRANTED: frozenset[Right] = frozenset(
    (verb, rule["apiGroups"][0], rule["resources"][0])
    for rule in [*operator_rules(), *lease_rules()]
    for verb in rule["verbs"]
)


def requests(server: RealServer) -> list[dict[str, Any]]:
    """The operator's requests, as they were logged."""
    return [line for line in server.audit() if line["user"]["username"] == OPERATOR]


def resource(line: dict[str, Any]) -> str:
    """The resource of a request, with its subresource."""
    reference = line.get("objectRef") or {}
    return "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))


def rights(lines: Iterable[dict[str, Any]]) -> set[Right]:
    """The rights that requests needed; what is open to everybody (discovery, health) needs none."""
    with_object = (line for line in lines if line.get("objectRef"))
    return {(line["verb"], line["objectRef"].get("apiGroup", ""), resource(line)) for line in with_object}


def check_all_granted(server: RealServer) -> set[Right]:
    """Every request was granted, by the table and by the server; return what was asked for."""
    lines = requests(server)
    refused = [line for line in lines if line.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"]
    for line in refused:
        assert rights([line]) <= GRANTED, f"asked for without a right: {line}"
        assert _just_started(server, line), f"the server refused {line}"
    used = rights(lines)
    assert ("list", "penstock.dev", "flowruns") in used, "the operator is found at all"
    assert used <= GRANTED, f"asked for without a right: {used - GRANTED}"
    return used


def _just_started(server: RealServer, line: dict[str, Any]) -> bool:
    """Whether the server may not know its own roles yet: it says 403 to everybody for a moment after a start."""
    asked = datetime.fromisoformat(line["requestReceivedTimestamp"])
    return any(timedelta(0) <= asked - start < timedelta(seconds=20) for start in server.starts)
