"""What an API server with our CRDs would store, without a server: pruned, filled with defaults, validated, its rules evaluated.

Built on the dev server's own validation, which is compared with real servers elsewhere. Neighbour: `nasty` makes the objects.
"""

from __future__ import annotations

from typing import Any

from penstock_dev.apiserver.ratcheting import newly_wrong
from penstock_dev.apiserver.rules import ABSENT, check_rules, compile_rules
from penstock_dev.apiserver.schema import Schema, prune, with_defaults, without_nulls
from penstock_dev.apiserver.validation import validate
from penstock_operator.api.crd import FLOW, FLOW_RUN, Kind, crd

JSON = dict[str, Any]


class Definition:
    """One of our kinds, as an API server knows it."""

    def __init__(self, kind: Kind) -> None:
        document = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        self._schema = Schema(document)
        list(compile_rules(self._schema))

    def admit(self, body: JSON) -> JSON | None:
        """Return what is stored of a new object, None if it is refused."""
        parts = {"spec": body.get("spec", {})}
        spec = self._schema.properties["spec"]
        pruned = prune(without_nulls(parts["spec"], spec), spec, "spec", [])
        stored = {**body, "spec": with_defaults(pruned, spec)}
        return stored if not self.wrong(stored) else None

    def wrong(self, new: JSON, old: JSON | None = None) -> list[str]:
        """Return what a server says against an object, or against a change of it."""
        errors: list[Any] = []
        for name in ("spec", "status"):
            if name in new:
                validate(new[name], self._schema.properties[name], name, errors)
        if old is not None:
            errors = newly_wrong(errors, new, old)
        if not errors:
            check_rules(new, ABSENT if old is None else old, self._schema, "", errors, [])
        return [f"{error.field}: {error.message}" for error in errors]

    def wrong_status(self, new: JSON, old: JSON) -> list[str]:
        """Return what a server says against a change of the status alone."""
        errors: list[Any] = []
        status = self._schema.properties["status"]
        validate(new, status, "status", errors)
        if not errors:
            check_rules(new, old, status, "status", errors, [])
        return [f"{error.field}: {error.message}" for error in errors]


RUNS = Definition(FLOW_RUN)
FLOWS = Definition(FLOW)
