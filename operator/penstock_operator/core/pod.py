"""What an attempt's pod looks like: the operator's own part, the templates over it, and on top what no template may take away.

Merge order, later wins: the operator's pod, the flow's image, resources and env, the flow's template, the run's image, resources and env,
the run's template, and then what is kept. Neighbours: `merge` does the merging, `intent` says what the annotation holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock_operator.api import constants as k
from penstock_operator.api.execution import EnvVar, Execution, Template
from penstock_operator.api.flowrun import FlowRun

from .canonical import digest_text
from .faults import Unusable
from .intent import intent_annotation
from .liveness import liveness_probe
from .merge import strategic_merge
from .policy import Policy
from .revisions import Definition

_TMP = "tmp"
_KEPT_VOLUMES = (k.VOLUME_INTENT, k.VOLUME_FLOW)
_KEPT_MOUNTS = (k.INTENT_DIR, k.FLOW_DIR)


def pod_name(run: FlowRun, attempt: int) -> str:
    """Return the name of an attempt's pod.

    It is the same whoever creates it, and another one for a run that was deleted and applied again under its name.
    """
    return f"{run.metadata.name}-{digest_text(run.metadata.uid)[:5]}-{attempt}"


def pod_manifest(
    run: FlowRun, definition: Definition, policy: Policy, attempt: int, *, engine_image: str, secure: bool
) -> dict[str, Any]:
    """Return the manifest of an attempt's pod.

    Args:
        run: the FlowRun.
        definition: what it executes.
        policy: its run policy in force.
        attempt: the attempt's number.
        engine_image: the image where neither flow nor run names one.
        secure: whether the pod gets the security defaults (PSA *restricted*); else they are left to template and cluster.

    Raises:
        Unusable: a template is no PodSpec; the message says where.
    """
    execution = definition.execution
    spec = _base_spec(policy, engine_image, secure=secure)
    labels: dict[str, str] = {
        name: value for name, value in run.metadata.labels.items() if name.startswith(k.KUEUE_PREFIX)
    }
    annotations: dict[str, str] = {}
    layers: tuple[tuple[str, Execution | Any], ...] = (("flow", execution), ("run", run.spec))
    for whose, layer in layers:
        shortcut = _shortcuts(layer.image, layer.resources, layer.env)
        spec = strategic_merge(spec, {"containers": [shortcut]}, whose)
        template: Template | None = layer.template
        if template is not None:
            spec = strategic_merge(spec, template.spec or {}, f"template.spec ({whose})")
            if template.metadata is not None:
                labels.update(template.metadata.labels or {})
                annotations.update(template.metadata.annotations or {})
    _keep(spec, _kept_env(run, execution, policy, attempt), _volumes(definition), policy)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(run, attempt),
            "namespace": run.metadata.namespace,
            "labels": {**_foreign(labels), **_labels(run, attempt)},
            "annotations": {**_foreign(annotations), k.ANNOTATION_INTENT: intent_annotation(run)},
            "ownerReferences": [
                {
                    "apiVersion": k.API_VERSION,
                    "kind": "FlowRun",
                    "name": run.metadata.name,
                    "uid": run.metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": spec,
    }


def _base_spec(policy: Policy, engine_image: str, *, secure: bool) -> dict[str, Any]:
    engine: dict[str, Any] = {
        "name": k.ENGINE_CONTAINER,
        "image": engine_image,
        "command": ["python", "-m", "penstock.pod"],
    }
    if policy.liveness is not None:
        engine["livenessProbe"] = liveness_probe(policy.liveness)
    spec: dict[str, Any] = {"containers": [engine]}
    if secure:
        engine["env"] = [{"name": "HOME", "value": "/tmp"}]
        engine["volumeMounts"] = [{"name": _TMP, "mountPath": "/tmp"}]
        engine["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        spec["volumes"] = [{"name": _TMP, "emptyDir": {}}]
        spec["securityContext"] = {
            "runAsNonRoot": True,
            "runAsUser": k.RUN_AS,
            "runAsGroup": k.RUN_AS,
            "fsGroup": k.RUN_AS,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    return spec


def _shortcuts(image: str | None, resources: dict[str, Any] | None, env: list[EnvVar] | None) -> dict[str, Any]:
    """Return the container that `image`, `resources` and `env` are short for."""
    container: dict[str, Any] = {"name": k.ENGINE_CONTAINER}
    if image is not None:
        container["image"] = image
    if resources is not None:
        container["resources"] = resources
    if env:
        container["env"] = [variable.to_json() for variable in env]
    return container


def _labels(run: FlowRun, attempt: int) -> dict[str, str]:
    labels = {
        k.LABEL_MANAGED_BY: k.MANAGED_BY,
        k.LABEL_FLOW_RUN: run.metadata.name,
        k.LABEL_FLOW_RUN_UID: run.metadata.uid,
        k.LABEL_ATTEMPT: str(attempt),
    }
    if run.spec.flow_ref is not None:
        labels[k.LABEL_FLOW] = run.spec.flow_ref.name
    return labels


def _foreign(pairs: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations of the user's; what is under our prefix is ours alone."""
    return {name: value for name, value in pairs.items() if not name.startswith(k.OWN_PREFIX)}


def _kept_env(run: FlowRun, execution: Execution, policy: Policy, attempt: int) -> list[dict[str, Any]]:
    values = {
        k.ENV_NAMESPACE: run.metadata.namespace,
        k.ENV_FLOWRUN: run.metadata.name,
        k.ENV_FLOWRUN_UID: run.metadata.uid,
        k.ENV_ATTEMPT: str(attempt),
        k.ENV_ENTRYPOINT: execution.entrypoint,
        k.ENV_GRACE_SECONDS: str(policy.grace),
    }
    results = execution.results
    if results is not None:
        values[k.ENV_RESULTS_PREVIEW] = results.preview.value
        if results.storage is not None:
            values[k.ENV_RESULTS_STORAGE] = results.storage
        if results.persist is not None:
            values[k.ENV_RESULTS_PERSIST] = "true" if results.persist else "false"
    fields = {k.ENV_POD_NAME: "metadata.name", k.ENV_POD_UID: "metadata.uid", k.ENV_NODE_NAME: "spec.nodeName"}
    return [
        *({"name": name, "value": value} for name, value in values.items()),
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
    ]


def _volumes(definition: Definition) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the kept volumes, each with its mount."""
    field = {"fieldPath": f"metadata.annotations['{k.ANNOTATION_INTENT}']"}
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (
            {"name": k.VOLUME_INTENT, "downwardAPI": {"items": [{"path": k.INTENT_FILE, "fieldRef": field}]}},
            {"name": k.VOLUME_INTENT, "mountPath": k.INTENT_DIR, "readOnly": True},
        )
    ]
    files = definition.revision
    source = definition.execution.source
    if files is None and source is not None and source.config_map is not None:
        files = source.config_map.name
    if files is not None:
        pairs.append(
            (
                {"name": k.VOLUME_FLOW, "configMap": {"name": files}},
                {"name": k.VOLUME_FLOW, "mountPath": k.FLOW_DIR, "readOnly": True},
            )
        )
    return pairs


def _keep(
    spec: dict[str, Any],
    env: list[dict[str, Any]],
    volumes: list[tuple[dict[str, Any], dict[str, Any]]],
    policy: Policy,
) -> None:
    """Put what Penstock needs over whatever the templates said."""
    engine = next((c for c in spec.get("containers", ()) if c["name"] == k.ENGINE_CONTAINER), None)
    if engine is None:
        raise Unusable(f"template.spec.containers takes away the container {k.ENGINE_CONTAINER!r}")
    names = {variable["name"] for variable in env}
    # Ours first: a user's variable may then refer to them by $(NAME).
    engine["env"] = [*env, *(v for v in engine.get("env", ()) if v["name"] not in names)]
    engine["volumeMounts"] = [
        *(
            m
            for m in engine.get("volumeMounts", ())
            if m["mountPath"] not in _KEPT_MOUNTS and m.get("name") not in _KEPT_VOLUMES
        ),
        *(mount for _, mount in volumes),
    ]
    engine["terminationMessagePath"] = k.TERMINATION_LOG
    engine["terminationMessagePolicy"] = "File"
    spec["volumes"] = [
        *(v for v in spec.get("volumes", ()) if v["name"] not in _KEPT_VOLUMES),
        *(volume for volume, _ in volumes),
    ]
    spec["restartPolicy"] = "Never"
    spec["automountServiceAccountToken"] = True
    spec["terminationGracePeriodSeconds"] = policy.grace
