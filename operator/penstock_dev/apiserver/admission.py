"""ValidatingAdmissionPolicies, as far as the project's own use them: the same documents that the chart installs, evaluated on each write.

The CEL library knows optional values and not their syntax, so `object.?spec.?image` is written as a function before it is compiled, and so
is the one chain that asks the authorizer. What an expression sees is the whole object, as in a cluster. An expression that fails to evaluate
refuses, as `failurePolicy: Fail` has it. Neighbours: `authorization` says what a user may, `verbs` asks after validation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from . import celgo
from .status import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .authorization import Authorizer
    from .kinds import Resource
    from .store import Object
    from .tokens import User

__all__ = ["Admission"]

_CHAIN = re.compile(r"\b([A-Za-z_]\w*(?:\.\w+)*)((?:\.\?\w+|\[\?[^\]]+\])(?:\.\?\w+|\[\?[^\]]+\]|\['[^']*'\])*)")
_NONE = "''"
_PART = re.compile(r"\.\?(\w+)|\[\??([^\]]+)\]")
_AUTHORIZER = re.compile(
    r"authorizer\.group\(('[^']*')\)\.resource\(('[^']*')\)\.namespace\(([^)]*)\)(?:\.name\(([^)]*)\))?\.check\(('[^']*')\)\.allowed\(\)"
)


def translated(expression: str) -> str:
    """Return an expression without the syntax that the library lacks."""

    def chain(found: re.Match[str]) -> str:
        parts = ", ".join(f"'{name}'" if name else index for name, index in _PART.findall(found.group(2)))
        return f"dig({found.group(1)}, [{parts}])"

    def check(found: re.Match[str]) -> str:
        group, resource, namespace, name, verb = found.groups()
        return f"allowed({verb}, {group}, {resource}, {namespace}, {name or _NONE})"

    return celgo.translated(_CHAIN.sub(chain, _AUTHORIZER.sub(check, expression)))


@dataclass(frozen=True, slots=True)
class _Policy:
    name: str
    operations: frozenset[str]
    resources: frozenset[str]
    conditions: Sequence[Any]
    variables: Sequence[tuple[str, Any]]
    validations: Sequence[tuple[Any, str]]


@dataclass(slots=True)
class Admission:
    """The policies that are in force.

    Args:
        documents: policies and bindings; a policy counts whatever binds it.
        authorizer: answers what a policy asks about a user's rights.
    """

    documents: Iterable[Mapping[str, Any]]
    authorizer: Authorizer
    _compiled: list[_Policy] | None = field(default=None, init=False)

    def check(
        self, user: User, namespace: str, resource: Resource, subresource: str, new: Object, old: Object | None
    ) -> None:
        """Refuse a write that a policy denies.

        Raises:
            ApiError: 422, with the policy's name and message.
        """
        full = f"{resource.plural}/{subresource}" if subresource else resource.plural
        operation = "CREATE" if old is None else "UPDATE"
        for policy in self._policies():
            if full in policy.resources and operation in policy.operations:
                message = _denial(policy, self._context(user, operation, new, old, namespace))
                if message is not None:
                    raise _refusal(policy.name, resource, new["metadata"].get("name", ""), message)

    def _policies(self) -> list[_Policy]:
        if self._compiled is None:
            import cel  # a quarter of the server's import time, needed only for the first write

            def program(expression: str) -> Any:
                return cel.compile(translated(expression))

            self._compiled = [
                _compile(document, program)
                for document in self.documents
                if document["kind"] == "ValidatingAdmissionPolicy"
            ]
        return self._compiled

    def _context(
        self, user: User, operation: str, new: Object, old: Object | None, namespace: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What expressions see, and the functions that they call."""
        request = {"operation": operation, "namespace": namespace, "userInfo": user.info()}
        functions = {**celgo.FUNCTIONS, "dig": _dig, "allowed": partial(self.authorizer.allows, user), "join": _join}
        return {"request": request, "object": new, "oldObject": old, "variables": {}}, functions


def _compile(document: Mapping[str, Any], program: Any) -> _Policy:
    spec = document["spec"]
    (rule,) = spec["matchConstraints"]["resourceRules"]
    return _Policy(
        name=document["metadata"]["name"],
        operations=frozenset(rule["operations"]),
        resources=frozenset(rule["resources"]),
        conditions=[program(condition["expression"]) for condition in spec.get("matchConditions", ())],
        variables=[(variable["name"], program(variable["expression"])) for variable in spec.get("variables", ())],
        validations=[(program(rule["expression"]), rule["message"]) for rule in spec["validations"]],
    )


def _dig(base: Any, path: Sequence[str]) -> Any:
    import cel

    for part in path:
        if not isinstance(base, dict) or part not in base:
            return cel.OptionalValue.none()
        base = base[part]
    return cel.OptionalValue.of(base)


def _join(items: Sequence[str], between: str = "") -> str:
    return between.join(items)


def _denial(policy: _Policy, context: tuple[dict[str, Any], dict[str, Any]]) -> str | None:
    """Return the message of the first validation that does not hold, None if all do or the policy does not match."""
    import cel

    values, functions = context

    def holds(program: Any) -> Any:
        return program.execute(cel.Context(variables=values, functions=functions))

    try:
        if not all(holds(condition) for condition in policy.conditions):
            return None
        for name, program in policy.variables:
            values["variables"] = {**values["variables"], name: holds(program)}
        for program, message in policy.validations:
            if holds(program) is not True:
                return message
    except (KeyError, TypeError, RuntimeError, ValueError, OverflowError, ArithmeticError) as error:
        return f"expression resulted in error: {error}"
    return None


def _refusal(policy: str, resource: Resource, name: str, message: str) -> ApiError:
    why = f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: {message}"
    details = {"name": name, "group": resource.group, "kind": resource.plural, "causes": [{"message": why}]}
    return ApiError("Invalid", f'{resource.plural}.{resource.group} "{name}" is forbidden: {why}', details)
