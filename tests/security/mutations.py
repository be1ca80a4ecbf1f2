"""Takes each rule out in turn, and prints which rows turn red: `python -m tests.security.mutations [word ...]`.

A row that stays green without the rule that it names proves nothing; a rule whose loss no row notices is not tested. Rules are the
validations of the policies and the clauses in them, the bindings, the patterns of the CRDs, and the bounds of roles. Words choose
mutations whose name holds one of them; `--oldest` and `--newest` ask another API server that is served (KUBEBUILDER_ASSETS_OLD, _NEW).
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.security.names import NAMES
from tests.security.people import PEOPLE
from tests.security.programs import PROGRAMS
from tests.security.rows import Row
from tests.security.stage import Stage, staged
from tests.support.realserver import ASSETS_NEW, ASSETS_OLD, MISSING, RealServer, other_apiserver, real_server
from tests.support.world import until

ROWS = (*PEOPLE, *PROGRAMS, *NAMES)
SECONDS = 20  # until a changed definition is in force
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule that is taken out.

    Attributes:
        name: what it is called in the output.
        rows: those that must turn red; without any, some must.
        change: makes of a document what is applied instead; None: it stays.
        grants: actors that may do everything meanwhile.
    """

    name: str
    rows: tuple[Row, ...] = ()
    change: Callable[[Document], Document | None] = lambda document: None
    grants: tuple[str, ...] = ()


def policies(documents: Sequence[Document]) -> list[Document]:
    """The admission policies among what is applied."""
    return [document for document in documents if document["kind"] == "ValidatingAdmissionPolicy"]


def patterns(document: Document) -> Iterator[tuple[str, Document]]:
    """The nodes of a CRD's spec that have a pattern, by the path of their field."""

    def below(node: Document, path: str) -> Iterator[tuple[str, Document]]:
        if "pattern" in node:
            yield path, node
        for name, inner in node.get("properties", {}).items():
            yield from below(inner, f"{path}.{name}")
        for key in ("items", "additionalProperties"):
            if isinstance(node.get(key), dict):
                yield from below(node[key], f"{path}[]")

    kind = document["spec"]["names"]["kind"]
    schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    yield from below(schema["properties"]["spec"], f"{kind}.spec")


def rule_of(row: Row, validation: Document) -> bool:
    """Whether a row names this validation: by the beginning of its message."""
    return bool(row.rule) and str(validation["message"]).startswith(row.rule)


# Parts of expressions: (policy, what is cut out, what stays in its place).
CLAUSES = (
    ("flowrun-status", "oldObject.?status.?attempt.?podName.orValue('') == variables.podName", "true"),
    ("flowrun-status", "oldObject.?status.?attempt.?podUID.orValue(variables.podUID) == variables.podUID", "true"),
    ("flowrun-spec", "object.?spec.?template.hasValue()", "false"),
    ("flowrun-spec", "object.?spec.?flowSpec.?template.hasValue()", "false"),
    ("flowrun-spec", "object.?spec.?env.orValue([]).exists(e, has(e.valueFrom))", "false"),
    ("flowrun-spec", "object.?spec.?flowSpec.?env.orValue([]).exists(e, has(e.valueFrom))", "false"),
    ("flowrun-spec", "oldObject.?spec.?template.hasValue()", "false"),
    *(
        ("flowrun-spec", f"object.spec.?{field} != oldObject.?spec.?{field}", "false")
        for field in ("entrypoint", "source", "image", "parametersSchema", "env", "results")
    ),
    ("flowrun-spec", "object.spec.?source.?configMap.?name", "optional.none()"),
    ("flowrun-spec", "object.spec.?flowSpec.?source.?configMap.?name", "optional.none()"),
    ("flow-images", "object.spec.?template.?spec.?initContainers", "optional.none()"),
    ("flow-images", "object.spec.?template.?spec.?containers", "optional.none()"),
    ("flow-images", "object.spec.?flowSpec.?template.?spec.?volumes", "optional.none()"),
    ("flow-images", "object.spec.?flowSpec.?image.hasValue()", "false"),
    ("flow-images", "object.spec.?image.hasValue()", "false"),
)


def each(documents: Sequence[Document]) -> Iterator[Mutation]:
    """Every rule by itself."""
    for policy in policies(documents):
        short = policy["metadata"]["name"].split(".")[0]
        for validation in policy["spec"]["validations"]:
            rows = tuple(row for row in ROWS if rule_of(row, validation))
            yield Mutation(f"{short}: {validation['message']}", rows, _without(policy, [validation]))
        yield Mutation(f"{short}: the binding", (), _unbound(policy))
    for name, part, instead in CLAUSES:
        yield Mutation(f"{name}: the clause {part}", (), _cut(f"{name}.penstock.dev", part, instead))
    for crd in (d for d in documents if d["kind"] == "CustomResourceDefinition"):
        for path, _ in patterns(crd):
            rows = tuple(row for row in ROWS if row.rule == f"crd/{path}")
            if rows:
                yield Mutation(f"crd: the pattern of {path}", rows, _without_patterns({path}))
    for actor in dict.fromkeys(row.actor for row in ROWS):
        rows = tuple(row for row in ROWS if row.rule == f"rbac/{actor}")
        if rows:
            yield Mutation(f"rbac: the bounds of {actor}", rows, grants=(actor,))


def all_at_once(documents: Sequence[Document]) -> Iterator[Mutation]:
    """The same in few steps: each row still depends on its policy, its CRD or its role."""
    for policy in policies(documents):
        validations = policy["spec"]["validations"]
        rows = tuple(row for row in ROWS if any(rule_of(row, validation) for validation in validations))
        name = policy["metadata"]["name"]
        yield Mutation(f"{name}: everything", rows, _without(policy, validations))
    odd = tuple(row for row in ROWS if row.rule.startswith("crd/"))
    yield Mutation("crd: all patterns", odd, _without_patterns({row.rule.removeprefix("crd/") for row in odd}))
    bound = tuple(row for row in ROWS if row.rule.startswith("rbac/"))
    yield Mutation("rbac: all bounds", bound, grants=tuple(dict.fromkeys(row.actor for row in bound)))


def _without(policy: Document, validations: Sequence[Document]) -> Callable[[Document], Document | None]:
    messages = {validation["message"] for validation in validations}

    def change(document: Document) -> Document | None:
        if document["kind"] != policy["kind"] or document["metadata"]["name"] != policy["metadata"]["name"]:
            return None
        changed = copy.deepcopy(document)
        for validation in changed["spec"]["validations"]:
            if validation["message"] in messages:
                validation["expression"] = "true"
        return changed

    return change


def _unbound(policy: Document) -> Callable[[Document], Document | None]:
    def change(document: Document) -> Document | None:
        if (
            document["kind"] != "ValidatingAdmissionPolicyBinding"
            or document["metadata"]["name"] != policy["metadata"]["name"]
        ):
            return None
        nowhere = {"namespaceSelector": {"matchLabels": {"nowhere": "at-all"}}}
        return {**document, "spec": {**document["spec"], "matchResources": nowhere}}

    return change


def _cut(name: str, part: str, instead: str) -> Callable[[Document], Document | None]:
    def change(document: Document) -> Document | None:
        if document["kind"] != "ValidatingAdmissionPolicy" or document["metadata"]["name"] != name:
            return None
        changed = copy.deepcopy(document)
        found = 0
        for entry in (*changed["spec"]["variables"], *changed["spec"]["validations"]):
            found += entry["expression"].count(part)
            entry["expression"] = entry["expression"].replace(part, instead)
        assert found, f"{name} has no clause {part}"
        return changed

    return change


def _without_patterns(paths: set[str]) -> Callable[[Document], Document | None]:
    def change(document: Document) -> Document | None:
        if document["kind"] != "CustomResourceDefinition":
            return None
        changed = copy.deepcopy(document)
        nodes = [node for path, node in patterns(changed) if path in paths]
        for node in nodes:
            del node["pattern"]
        return changed if nodes else None

    return change


def red(stage: Stage) -> list[Row]:
    """The rows that do not hold now."""
    return [row for row in ROWS if row.holds(stage)]


def run(stage: Stage, mutation: Mutation) -> list[Row]:
    """Take a rule out, return the rows that turned red, and put it in again.

    Raises:
        AssertionError: a row stayed green that names this rule, or all did.
    """
    changed = [(document, new) for document in stage.documents if (new := mutation.change(document)) is not None]
    stage.apply(new for _, new in changed)
    for actor in mutation.grants:
        stage.grant(actor)
    try:
        wanted = mutation.rows

        def noticed() -> bool:
            return all(row.holds(stage) for row in wanted) if wanted else bool(red(stage))

        until(f"a row notices that it is gone: {mutation.name}", noticed, SECONDS)
        return red(stage)
    finally:
        for actor in mutation.grants:
            stage.revoke(actor)
        stage.apply(document for document, _ in changed)
        until(f"the rule is back: {mutation.name}", lambda: not red(stage), SECONDS)


def main(words: Sequence[str]) -> int:
    """Run the mutations, print a line for each, and return 0 if every one was noticed."""
    server = real_server()
    if not isinstance(server, RealServer):
        sys.stderr.write(f"{MISSING}\n")
        return 2
    for word, variable in (("--oldest", ASSETS_OLD), ("--newest", ASSETS_NEW)):
        if word in words:
            server.apiserver = other_apiserver(variable)
            if server.apiserver is None:
                sys.stderr.write(f"{word}: set {variable} to a folder with its kube-apiserver\n")
                return 2
    chosen = [word for word in words if not word.startswith("--")]
    unnoticed = 0
    with staged(server) as stage:
        wrong = [problem for row in ROWS if (problem := row.holds(stage))]
        for problem in wrong:
            print(f"RED BEFORE ANYTHING WAS CHANGED  {problem}")
        for mutation in each(stage.documents):
            if chosen and not any(word in mutation.name for word in chosen):
                continue
            begun = time.monotonic()
            try:
                rows = ", ".join(row.id for row in run(stage, mutation))
            except AssertionError as error:
                unnoticed += 1
                rows = f"UNNOTICED: {error}"
            print(f"{mutation.name}\n    {time.monotonic() - begun:.1f} s, red: {rows}", flush=True)
    return int(bool(unnoticed or wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
