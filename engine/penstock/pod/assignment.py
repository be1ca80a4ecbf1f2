"""From the claim's answer to what is to be run: the one place that knows where everything is in the FlowRun.

Pure. With ``flowSpec`` the whole flow is in the answer; with ``flowRef`` it is in ``flow.json`` of the mounted
revision, and the answer holds nothing of the Flow. The run's parameters go over those that it took from the run which it
repeats, these over the flow's, top level only; null is a value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.kube.jsontext import DEEPEST, too_deep
from penstock.pod.intent import Intent, from_word

FLOW_FILE = "flow.json"


class NoEntrypointError(Exception):
    """Nothing says which flow to run."""


class TooDeepError(Exception):
    """What the run is given is nested deeper than anything that is of use; the text says what."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What this attempt is to do.

    Attributes:
        entrypoint: ``path.py:function`` or ``package.module:function``.
        inline: The flow's source, when it came with the answer.
        parameters: The effective ones.
        context: ``spec.context``.
        inputs: Answers to pauses by key.
        desired: What is wanted of the run now.
        lineage: Scope of result reuse.
        flow_name: Name of the Flow, if the run refers to one.
        display_name: A name for people, if the run has one.
    """

    entrypoint: str
    lineage: str
    inline: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    desired: Intent = Intent.RUNNING
    flow_name: str | None = None
    display_name: str | None = None


def has_flow(flow_run: Mapping[str, Any]) -> bool:
    """Tell whether the whole flow is in the FlowRun itself."""
    return bool(_object(_object(flow_run, "spec"), "flowSpec"))


def desired_state(flow_run: Mapping[str, Any]) -> Intent:
    """Read what is wanted of the run."""
    return from_word(_object(flow_run, "spec").get("desiredState"))


def inputs(flow_run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the answers to pauses."""
    return _object(_object(flow_run, "spec"), "inputs")


def report_of(flow_run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the report that stands; empty when there is none."""
    return _object(_object(flow_run, "status"), "report")


def given_up_last(flow_run: Mapping[str, Any]) -> int:
    """Tell which attempt was the last that its engine gave up to wait, and whose time had come then; 0: none that is known."""
    attempts = _object(flow_run, "status").get("attempts")
    found = [_object({"attempt": each}, "attempt") for each in attempts] if isinstance(attempts, list) else []
    numbers = [each.get("number") for each in found if each.get("state") == "Scheduled"]
    return max((number for number in numbers if isinstance(number, int)), default=0)


def is_ours(flow_run: Mapping[str, Any], uid: str, instance: str) -> bool:
    """Tell whether a FlowRun is the one that was claimed, and its report ours."""
    return _object(flow_run, "metadata").get("uid") == uid and report_of(flow_run).get("instance") == instance


def assign(flow_run: Mapping[str, Any], flow: Mapping[str, Any] | None, entrypoint: str | None) -> Assignment:
    """Put together what is to be run.

    Args:
        flow_run: The FlowRun, as the claim's answer holds it.
        flow: ``flow.json`` of the source folder, if there is one.
        entrypoint: The one of the environment, which wins.

    Raises:
        NoEntrypointError: None is given anywhere.
        TooDeepError: Parameters or context are nested too deep.
        ValueError: The parameters that were taken from another run can't be read.
    """
    spec, status = _object(flow_run, "spec"), _object(flow_run, "status")
    own = _object(spec, "flowSpec")
    definition = own or (flow if flow is not None else {})
    chosen = entrypoint or definition.get("entrypoint")
    if not isinstance(chosen, str) or not chosen:
        raise NoEntrypointError(
            "no entrypoint: PENSTOCK_ENTRYPOINT is not set, and neither spec.flowSpec nor flow.json in the source "
            "folder has one"
        )
    inline = _object(own, "source").get("inline")
    lineage = status.get("lineage") or _object(flow_run, "metadata").get("uid") or ""
    display_name = spec.get("displayName")
    parameters = {**_object(definition, "parameters"), **_taken_over(status), **_object(spec, "parameters")}
    context = _object(spec, "context")
    for name, value in (("parameters", parameters), ("context", context)):
        if too_deep(value):
            raise TooDeepError(f"{name} is nested deeper than {DEEPEST} levels")
    return Assignment(
        entrypoint=chosen,
        lineage=str(lineage),
        inline=inline if isinstance(inline, str) else None,
        parameters=parameters,
        context=context,
        inputs=inputs(flow_run),
        desired=desired_state(flow_run),
        flow_name=_object(spec, "flowRef").get("name"),
        display_name=display_name if isinstance(display_name, str) and display_name else None,
    )


def _taken_over(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the parameters of the run that this one repeats."""
    text = status.get("parameters")
    if not isinstance(text, str) or not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    raise ValueError(
        "status.parameters is no JSON object: it is the operator's, and tells what rerunOf's run was given"
    )


def _object(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, Mapping) else {}
