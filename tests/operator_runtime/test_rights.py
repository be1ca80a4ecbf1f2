"""The table of rights, against every request that the runtime can make."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import penstock_operator.runtime
from penstock_operator.api.constants import ADMINISTER_VERB
from penstock_operator.runtime import resources
from penstock_operator.runtime.resources import WATCHED, Resource
from penstock_operator.runtime.rights import ENGINE, LEASE, OPERATOR, engine_rules, operator_rules

FOLDER = Path(penstock_operator.runtime.__file__).parent
VERBS = {"get": "get", "list": "list", "create": "create", "replace": "update", "patch": "patch", "delete": "delete"}


def requests() -> set[tuple[str, str, str]]:
    """Every call of the client in the code: (group, resource, verb). A resource that is a variable is one of the watched."""
    found: set[tuple[str, str, str]] = set()
    for file in FOLDER.glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            if ast.unparse(call.func.value) != "self._client" or call.func.attr not in VERBS:
                continue
            name = ast.unparse(call.args[0])
            kinds = [getattr(resources, name)] if name.isupper() else list(WATCHED)
            sub = next((f"/{ast.literal_eval(k.value)}" for k in call.keywords if k.arg == "sub"), "")
            for kind in kinds:
                assert isinstance(kind, Resource)
                found.add((kind.group, kind.plural + sub, VERBS[call.func.attr]))
    return found


def table() -> set[tuple[str, str, str]]:
    return {(right.group, right.resource, verb) for right in (*OPERATOR, *LEASE) for verb in right.verbs}


def test_every_request_is_allowed_and_every_right_is_used() -> None:
    watches = {(kind.group, kind.plural, verb) for kind in WATCHED for verb in ("list", "watch")}  # by kopf
    asked = requests() | watches
    assert ("", "pods", "create") in asked, "the calls are found at all"
    assert asked - table() == set(), "asked for without a right"
    unused = {right for right in table() - asked if right[2] != ADMINISTER_VERB}
    assert unused == set(), "a right that nothing uses"


def test_each_right_says_why() -> None:
    for right in (*OPERATOR, *LEASE, *ENGINE):
        assert right.why


def test_one_rule_a_resource() -> None:
    resources_ = [(rule["apiGroups"][0], rule["resources"][0]) for rule in operator_rules()]
    assert len(resources_) == len(set(resources_))


@pytest.mark.parametrize("rule", [*operator_rules(), *engine_rules()])
def test_no_wildcards_and_nothing_that_reads_secrets(rule: dict[str, list[str]]) -> None:
    assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    assert "secrets" not in rule["resources"]


def test_the_engine_reports_and_no_more() -> None:
    assert engine_rules() == [{"apiGroups": ["penstock.dev"], "resources": ["flowruns/status"], "verbs": ["patch"]}]
