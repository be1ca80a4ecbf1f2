"""The admission policies that keep writers to their own fields and to their own rights, made from the models.

`flowrun-status`: only the operator, and a run's own pod for `status.report`, write the status. `flowrun-spec`: free-form fields, which a
CRD's own rules cannot see, are immutable, and nobody has done through a Flow or a FlowRun what their own rights do not reach: the operator
makes pods and reads ConfigMaps, so its rights must never stand in for the author's. `flow-images`, where the chart's `restrict.images` asks
for it: which images may be named. Made from the models so that a new field cannot be forgotten: whatever is not named free is guarded.
"""

from __future__ import annotations

from typing import Any

from .base import ONE_EXECUTION, immutable
from .constants import ADMINISTER_VERB, FLOW_PLURAL, FLOWRUN_PLURAL, GROUP
from .execution import Execution, RunPolicy
from .flowrun import FlowRunStatus

_KIND = "ValidatingAdmissionPolicy"
_POD = "authentication.kubernetes.io/pod-"
# What a Flow is run with, besides what it executes: everybody who may edit it may change these.
_FREE = ("parameters", "runPolicy")
_MAY_CREATE_PODS = "authorizer.group('').resource('pods').namespace(request.namespace).check('create').allowed()"


def _validation(expression: str, message: str) -> dict[str, str]:
    return {"expression": expression, "message": message}


def _policy(name: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
    full = f"{name}.{GROUP}"
    api = "admissionregistration.k8s.io/v1"
    return [
        {"apiVersion": api, "kind": _KIND, "metadata": {"name": full}, "spec": {"failurePolicy": "Fail", **spec}},
        {
            "apiVersion": api,
            "kind": f"{_KIND}Binding",
            "metadata": {"name": full},
            "spec": {"policyName": full, "validationActions": ["Deny"]},
        },
    ]


def _matches(operations: list[str], resources: list[str]) -> dict[str, Any]:
    rule = {"apiGroups": [GROUP], "apiVersions": ["*"], "operations": operations, "resources": resources}
    return {"resourceRules": [rule]}


def _same(*path: str) -> str:
    """Compare one optional field of the old and the new object.

    The chain stays inline: an optional value that went through a policy variable compares unequal to its equal.
    """
    chain = ".?".join(path)
    return f"object.?{chain} == oldObject.?{chain}"


def status_policy() -> list[dict[str, Any]]:
    """Return policy and binding of `flowrun-status`."""
    guarded = [f.alias for f in FlowRunStatus.model_fields.values() if f.alias and f.alias != "report"]
    allowed = (
        f"authorizer.group('{GROUP}').resource('{FLOWRUN_PLURAL}').namespace(request.namespace)"
        f".check('{ADMINISTER_VERB}').allowed()"
    )
    current = (
        "oldObject.?status.?attempt.?podName.orValue('') == variables.podName"
        " && oldObject.?status.?attempt.?podUID.orValue(variables.podUID) == variables.podUID"
    )
    return _policy(
        "flowrun-status",
        {
            "matchConstraints": _matches(["UPDATE"], [f"{FLOWRUN_PLURAL}/status"]),
            "matchConditions": [{"name": "not-the-operator", "expression": f"!{allowed}"}],
            "variables": [
                {
                    "name": name,
                    "expression": f"request.userInfo.?extra['{_POD}{key}'].orValue(['']).join()",
                }
                for name, key in (("podName", "name"), ("podUID", "uid"))
            ],
            "validations": [
                _validation(
                    "variables.podName != '' && variables.podUID != ''",
                    "only the operator, or a run's own pod with its pod-bound token, writes flowruns/status",
                ),
                _validation(current, "this pod is not the current attempt of this FlowRun"),
                _validation(
                    " && ".join(_same("status", field) for field in guarded),
                    "a run's pod may change status.report only",
                ),
                # A token proves its pod's name and UID within a namespace only.
                _validation(
                    "request.userInfo.username.startsWith('system:serviceaccount:' + request.namespace + ':')",
                    "a pod of another namespace does not report for this FlowRun",
                ),
            ],
        },
    )


def _reaches(object_: str) -> str:
    """Whether an object has a template, or an env with valueFrom: either could reach what its author may not."""
    places = (f"{object_}.?spec", f"{object_}.?spec.?flowSpec")
    templates = [f"{place}.?template.hasValue()" for place in places]
    return " || ".join([*templates, *(f"{place}.?env.orValue([]).exists(e, has(e.valueFrom))" for place in places)])


def _executes() -> str:
    """Whether an object brings something new to execute. A FlowRun's parts are immutable, so only its creation does."""
    fields = [f.alias for f in Execution.model_fields.values() if f.alias and f.alias not in _FREE]
    changed = " || ".join(f"object.spec.?{field} != oldObject.?spec.?{field}" for field in fields)
    return f"request.operation == 'CREATE' || (object.kind == 'Flow' && ({changed}))"


def _immutable() -> list[dict[str, str]]:
    fixed = [f.alias for f in RunPolicy.model_fields.values() if f.alias and f.alias != "retention"]
    policy_fixed = ",".join(f"'{name}'" for name in fixed)
    return [
        *(
            _validation(f"!variables.update || {_same('spec', field)}", immutable(f"spec.{field}"))
            for field in ("parameters", "context", "template", "env", "resources", "image", "flowSpec")
        ),
        _validation(
            f"!variables.update || [{policy_fixed}].all(f, object.spec.?runPolicy[?f] == oldObject.?spec.?runPolicy[?f])",
            f"of spec.runPolicy only retention may change; {ONE_EXECUTION}",
        ),
        _validation(
            f"!variables.update || {_same('spec', 'scheduledTime')}"
            " || oldObject.?status.?state.?type.orValue('Scheduled') == 'Scheduled'",
            "spec.scheduledTime may change only while the run is Scheduled",
        ),
    ]


def _authors_rights() -> list[dict[str, str]]:
    pods = "those who may create pods in this namespace"
    readable = (
        "authorizer.group('').resource('configmaps').namespace(request.namespace)"
        ".name(variables.configMap).check('get').allowed()"
    )
    return [
        _validation(
            f"!variables.executes || !({_reaches('object')}) || variables.mayCreatePods",
            f"spec.template, and env with valueFrom, and what such a Flow executes, are only for {pods}",
        ),
        _validation(
            f"!variables.executes || request.operation == 'CREATE' || !({_reaches('oldObject')}) || variables.mayCreatePods",
            f"what a Flow with a template, or with env from valueFrom, executes is only for {pods}",
        ),
        _validation(
            "!variables.run || !object.spec.?image.hasValue() || variables.mayCreatePods",
            f"with spec.flowRef, spec.image is only for {pods}: the Flow may hold what its author's rights reach",
        ),
        _validation(
            "!variables.run || object.spec.?env.orValue([]).size() == 0 || variables.mayCreatePods",
            f"with spec.flowRef, spec.env is only for {pods}: the Flow may hold what its author's rights reach",
        ),
        # Amounts are the namespace's quota's and limit ranges' to bound; a claim is an object's name.
        _validation(
            "!variables.run || object.spec.?resources.orValue({}).all(k, k in ['requests', 'limits'])"
            " || variables.mayCreatePods",
            f"with spec.flowRef, spec.resources may have requests and limits; anything else is only for {pods}",
        ),
        _validation(
            f"!variables.executes || variables.configMap == '' || {readable}",
            "source.configMap is only for those who may get that ConfigMap: its data becomes part of the flow",
        ),
    ]


def spec_policy() -> list[dict[str, Any]]:
    """Return policy and binding of `flowrun-spec`."""
    name = "?source.?configMap.?name"
    return _policy(
        "flowrun-spec",
        {
            "matchConstraints": _matches(["CREATE", "UPDATE"], [FLOWRUN_PLURAL, FLOW_PLURAL]),
            "variables": [
                {"name": "update", "expression": "request.operation == 'UPDATE' && object.kind == 'FlowRun'"},
                {"name": "executes", "expression": _executes()},
                # a new run of a Flow that may be somebody else's
                {"name": "run", "expression": "request.operation == 'CREATE' && object.spec.?flowRef.hasValue()"},
                {
                    "name": "configMap",
                    "expression": f"object.spec.{name}.orValue(object.spec.?flowSpec.{name}.orValue(''))",
                },
                {"name": "mayCreatePods", "expression": _MAY_CREATE_PODS},
            ],
            "validations": [*_immutable(), *_authors_rights()],
        },
    )


def images_policy(patterns: str) -> list[dict[str, Any]]:
    """Return policy and binding of `flow-images`: which images Flows and FlowRuns may name, in whatever field.

    Args:
        patterns: a CEL list of regular expressions, each for a whole image.
    """
    named = [f"object.spec.{place}?image" for place in ("", "?flowSpec.")]
    images = [f"({image}.hasValue() ? [{image}.value()] : [])" for image in named]
    for place in ("", "?flowSpec."):
        pod = f"object.spec.{place}?template.?spec"
        images += [
            f"{pod}.?{containers}.orValue([]).filter(c, has(c.image)).map(c, c.image)"
            for containers in ("initContainers", "containers")
        ]
        volumes = f"{pod}.?volumes.orValue([])"
        images.append(f"{volumes}.filter(v, has(v.image) && has(v.image.reference)).map(v, v.image.reference)")
    other = "!variables.patterns.exists(p, i.matches(p))"
    return _policy(
        "flow-images",
        {
            "matchConstraints": _matches(["CREATE", "UPDATE"], [FLOWRUN_PLURAL, FLOW_PLURAL]),
            "variables": [
                {"name": "patterns", "expression": patterns},
                {"name": "executes", "expression": _executes()},
                {"name": "images", "expression": " + ".join(images)},
                {"name": "others", "expression": f"variables.images.filter(i, {other})"},
            ],
            "validations": [
                {
                    **_validation(
                        "!variables.executes || variables.others.size() == 0",
                        "restrict.images does not allow this image",
                    ),
                    "messageExpression": "'restrict.images does not allow ' + variables.others.join(', ')",
                },
            ],
        },
    )


def policies() -> list[dict[str, Any]]:
    """Return the two policies that are always there, each followed by its binding."""
    return [*status_policy(), *spec_policy()]
