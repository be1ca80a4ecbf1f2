"""The two admission policies that keep writers to their own fields, made from the models.

`flowrun-status`: only the operator, and a run's own pod for `status.report`, write the status. `flowrun-spec`: free-form fields, which a
CRD's own rules cannot see, are immutable, and a pod template is only for those who may create pods. Made from the models so that a new
field cannot be forgotten: whatever is not named mutable is guarded.
"""

from __future__ import annotations

from typing import Any

from .constants import ADMINISTER_VERB, FLOW_PLURAL, FLOWRUN_PLURAL, GROUP
from .execution import RunPolicy
from .flowrun import FlowRunStatus

_KIND = "ValidatingAdmissionPolicy"
_POD = "authentication.kubernetes.io/pod-"


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
            ],
        },
    )


def spec_policy() -> list[dict[str, Any]]:
    """Return policy and binding of `flowrun-spec`."""
    fixed = [f.alias for f in RunPolicy.model_fields.values() if f.alias and f.alias != "retention"]
    policy_fixed = ",".join(f"'{name}'" for name in fixed)
    places = ("spec", "spec.?flowSpec")
    template = " || ".join(
        [f"object.{p}.?template.hasValue()" for p in places]
        + [f"object.{p}.?env.orValue([]).exists(e, has(e.valueFrom))" for p in places]
    )
    changed = " || ".join(
        f"object.{p}.?{field} != oldObject.?{p}.?{field}" for p in places for field in ("template", "env")
    )
    return _policy(
        "flowrun-spec",
        {
            "matchConstraints": _matches(["CREATE", "UPDATE"], [FLOWRUN_PLURAL, FLOW_PLURAL]),
            "variables": [
                {"name": "update", "expression": "request.operation == 'UPDATE' && object.kind == 'FlowRun'"},
                # a template, or an env with valueFrom: either could reach what its author may not
                {"name": "template", "expression": template},
                {
                    "name": "templateChanged",
                    "expression": f"variables.template && (request.operation == 'CREATE' || {changed})",
                },
            ],
            "validations": [
                *(
                    _validation(f"!variables.update || {_same('spec', field)}", f"spec.{field} is immutable")
                    for field in ("parameters", "context", "template", "env", "resources", "image", "flowSpec")
                ),
                _validation(
                    f"!variables.update || [{policy_fixed}].all(f,"
                    " object.spec.?runPolicy[?f] == oldObject.?spec.?runPolicy[?f])",
                    "of spec.runPolicy only retention may change",
                ),
                _validation(
                    f"!variables.update || {_same('spec', 'scheduledTime')}"
                    " || oldObject.?status.?state.?type.orValue('Scheduled') == 'Scheduled'",
                    "spec.scheduledTime may change only while the run is Scheduled",
                ),
                _validation(
                    "!variables.templateChanged"
                    " || authorizer.group('').resource('pods').namespace(request.namespace).check('create').allowed()",
                    "spec.template, and env with valueFrom, are only for those who may create pods in this namespace",
                ),
            ],
        },
    )


def policies() -> list[dict[str, Any]]:
    """Return both policies, each followed by its binding."""
    return [*status_policy(), *spec_policy()]
