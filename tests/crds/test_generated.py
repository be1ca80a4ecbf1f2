"""What is generated is up to date, and no field of the models can be lost on the way to a server."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from penstock_dev.generate import generated
from penstock_operator.api.admission import status_policy
from penstock_operator.api.crd import FLOW, FLOW_RUN, Kind, crd
from penstock_operator.api.flow import Schedule
from penstock_operator.api.flowrun import FlowRunStatus
from penstock_operator.api.schema import structural

ROOT = Path(__file__).parents[2]


FILES = generated()


@pytest.mark.parametrize("name", sorted(FILES))
def test_generated_file_is_up_to_date(name: str) -> None:
    """`make generate` changes nothing."""
    assert (ROOT / name).read_text() == FILES[name], "run `make generate`"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in typing.get_args(annotation):
        if not isinstance(argument, types.GenericAlias | typing._GenericAlias | type | types.UnionType):  # type: ignore[attr-defined]
            continue
        yield from _models(argument)


def lost(model: type[BaseModel], schema: dict[str, Any], path: str) -> list[str]:
    """Return the paths of the fields that the model knows and a server with this schema would prune."""
    found = []
    properties = schema.get("properties", {})
    for field in model.model_fields.values():
        name = str(field.alias)
        if name not in properties:
            found.append(f"{path}.{name}")
            continue
        node = properties[name]
        while "items" in node or isinstance(node.get("additionalProperties"), dict):
            node = node.get("items") or node["additionalProperties"]
        for inner in _models(field.annotation):
            found += lost(inner, node, f"{path}.{name}")
    return found


@pytest.mark.parametrize("kind", [FLOW_RUN, FLOW], ids=lambda k: k.kind)
def test_every_field_of_the_models_is_in_the_crd(kind: Kind) -> None:
    """A server prunes what its CRD does not know, without a word: so nothing may be missing."""
    properties = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert lost(kind.spec, properties["spec"], "spec") == []
    assert lost(kind.status, properties["status"], "status") == []


def test_a_lost_field_is_found() -> None:
    """The check above can fail: take one nested field out of the schema."""
    schema = structural(FlowRunStatus)
    del schema["properties"]["attempts"]["items"]["properties"]["budget"]
    assert lost(FlowRunStatus, schema, "status") == ["status.attempts.budget"]


def test_every_status_field_but_the_report_is_guarded_by_the_policy() -> None:
    """A pod may change its report only, whatever is added to the status later."""
    expression = status_policy()[0]["spec"]["validations"][2]["expression"]
    for field in FlowRunStatus.model_fields.values():
        assert (f"object.?status.?{field.alias} ==" in expression) == (field.alias != "report")


def test_everything_is_bounded() -> None:
    """Every string, list and map has a limit: the CEL cost estimate and etcd ask for it."""

    def unbounded(node: dict[str, Any], path: str) -> Iterator[str]:
        kind = node.get("type")
        free = "enum" in node or node.get("format") == "date-time"
        if kind == "string" and not free and "maxLength" not in node:
            yield path
        if kind == "array" and "maxItems" not in node:
            yield path
        if kind == "object" and "properties" not in node and "maxProperties" not in node:
            yield path
        for key, inner in node.get("properties", {}).items():
            yield from unbounded(inner, f"{path}.{key}")
        for key in ("items", "additionalProperties"):
            if isinstance(node.get(key), dict):
                yield from unbounded(node[key], f"{path}[]")

    for kind in (FLOW_RUN, FLOW):
        assert list(unbounded(structural(kind.spec), "spec")) == []
        assert list(unbounded(structural(kind.status), "status")) == []


# Fields that are called like a name and are none of an object.
NO_OBJECT = {
    "env[].name": "a variable",
    "state.name": "a word of a closed list",
    "report.name": "the flow's own word",
}
NAMING = {"name", "podName", "nodeName", "managedBy", "revision", "group", "key", "concurrencyGroups[]"}


def namings(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The strings that name something, by their path."""
    last = path.rsplit(".", 1)[-1]
    if node.get("type") == "string" and last in NAMING and not any(path.endswith(f".{known}") for known in NO_OBJECT):
        yield path, node
    for key, inner in node.get("properties", {}).items():
        yield from namings(inner, f"{path}.{key}")
    if isinstance(node.get("items"), dict):
        yield from namings(node["items"], f"{path}[]")


def test_every_field_that_names_an_object_has_a_pattern() -> None:
    """And a length: a text that is no name must not come as far as a path."""
    found: dict[str, dict[str, Any]] = {}
    for kind in (FLOW_RUN, FLOW):
        for part in (kind.spec, kind.status):
            found |= dict(namings(structural(part), f"{kind.kind}.{part.__name__}"))
    assert {path for path, node in found.items() if not {"pattern", "maxLength", "minLength"} <= set(node)} == {
        "FlowRun.FlowRunStatus.pause.key",  # a key of spec.inputs, which is no object
        "FlowRun.FlowRunStatus.report.pause.key",
        "FlowRun.FlowRunStatus.report.tasks.runs[].name",  # what a task run is called, which is no object either
    }
    assert len(found) > 20, "they are found at all"
    for path in (
        "FlowRunSpec.flowRef.name",
        "FlowSpec.env[].valueFrom.secretKeyRef.name",
        "FlowSpec.concurrencyGroups[]",
    ):
        assert any(name.endswith(path) for name in found), path


class _Union(BaseModel):
    value: int | str


class _Node(BaseModel):
    children: list[_Node] = []


@pytest.mark.parametrize(("model", "why"), [(_Union, "union"), (_Node, "recursive")])
def test_what_no_structural_schema_can_say_is_an_error(model: type[BaseModel], why: str) -> None:
    """A gap is told when the CRD is made, not by a server later."""
    with pytest.raises(ValueError, match=why):
        structural(model)


def defaults(node: dict[str, Any], path: str) -> Iterator[str]:
    """The paths of all defaults."""
    if "default" in node:
        yield path
    for key, inner in node.get("properties", {}).items():
        yield from defaults(inner, f"{path}.{key}")
    if isinstance(node.get("items"), dict):
        yield from defaults(node["items"], f"{path}[]")


def test_nothing_inside_a_list_has_a_default() -> None:
    """A client-side apply replaces lists of custom resources as a whole: what the server fills in shows as drift for ever."""
    found = [path for kind in (FLOW_RUN, FLOW) for path in defaults(structural(kind.spec), kind.kind)]
    assert "Flow.suspend" in found
    assert [path for path in found if "[]" in path] == []
    # The operator's own code has them.
    made = Schedule.model_validate({"name": "a", "cron": "0 1 * * *"})
    assert (made.time_zone, made.suspend, made.starting_deadline_seconds) == ("UTC", False, 86_400)
    assert made.missed_run_policy.value == "Latest"


def undescribed(node: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the fields that `kubectl explain` has nothing to say about."""
    for key, inner in node.get("properties", {}).items():
        # Of metadata kubectl knows itself.
        if not inner.get("description") and path + key != "metadata":
            yield path + key
        yield from undescribed(inner, f"{path}{key}.")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from undescribed(node[key], path)


@pytest.mark.parametrize("kind", [FLOW_RUN, FLOW], ids=lambda k: k.kind)
def test_every_field_is_explained(kind: Kind) -> None:
    """What it is, its unit and its default stand behind the field in the models."""
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert list(undescribed(schema, "")) == []
    del schema["properties"]["spec"]["properties"]["parameters"]["description"]
    assert list(undescribed(schema, "")) == ["spec.parameters"]


@pytest.mark.parametrize("kind", [FLOW_RUN, FLOW], ids=lambda k: k.kind)
def test_a_crd_stays_small(kind: Kind) -> None:
    """A client-side apply writes it into an annotation of 256 KiB; every client that discovers loads it."""
    assert len(json.dumps(crd(kind))) < 60_000


def test_an_object_is_never_without_a_status() -> None:
    """kstatus takes an object without conditions for done; one of another generation is not."""
    for kind in (FLOW_RUN, FLOW):
        status = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
        assert status["default"] == {"observedGeneration": -1}


def test_a_category_is_the_name_of_no_kind() -> None:
    """kubectl takes a category before a kind: `kubectl delete flows --all` would delete every FlowRun as well."""
    names = [crd(kind)["spec"]["names"] for kind in (FLOW, FLOW_RUN)]
    kinds = {word for n in names for word in (n["plural"], n["singular"], *n["shortNames"])}
    assert all(n["categories"] == ["penstock"] for n in names)
    assert kinds.isdisjoint({"penstock"})


@pytest.mark.parametrize("kind", [FLOW_RUN, FLOW], ids=lambda k: k.kind)
def test_a_status_is_owned_as_a_whole(kind: Kind) -> None:
    """Else a server keeps, and compares at each write, who has written each of its fields: half of an object, a quarter of a write's cost."""
    status = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert status["x-kubernetes-map-type"] == "atomic"


def test_the_rules_of_large_objects_ask_for_presence_only() -> None:
    """At each write of a run, also of its status, a server builds a map of all fields of an object for each one that a rule asks it for."""
    schema = crd(FLOW_RUN)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    asked = 0
    for name in ("spec", "status"):
        for rule in schema["properties"][name]["x-kubernetes-validations"]:
            questions = re.findall(r"has\((?:self|oldSelf)\.\w+\)", rule["rule"])
            assert re.findall(r"(?:self|oldSelf)\b", rule["rule"]) == re.findall(
                r"self|oldSelf", " ".join(questions)
            ), rule
            asked += len(questions)
    assert asked <= 14
