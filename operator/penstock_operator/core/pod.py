"""What an attempt's pod looks like: the operator's own part, the templates over it, and on top what no template may take away.

Merge order, later wins: the operator's pod, the flow's image, resources and env, the flow's template, the run's image, resources and env,
the run's template, and then what is kept. Neighbours: `merge` does the merging, `kept` says what a template may not want, `intent` says what
the annotation holds.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from typing import Any

from penstock_operator.api import constants as k
from penstock_operator.api.execution import Execution, Template
from penstock_operator.api.flowrun import FlowRun, FlowRunSpec
from penstock_operator.api.podspec import CONTAINER

from .canonical import digest_text
from .faults import Unusable
from .intent import intent_annotation
from .kept import check_env, check_kept
from .lasting import lasting_paths
from .liveness import liveness_probe
from .merge import strategic_merge
from .policy import Policy
from .revisions import Definition

_TMP = "penstock-tmp"  # a name that no user's volume has: a claim named `tmp` is not to become everybody's /tmp
_TMP_DIR = "/tmp"


def pod_name(run: FlowRun, attempt: int) -> str:
    """Return the name of an attempt's pod.

    It is the same whoever creates it, and another one for a run that was deleted and applied again under its name.
    """
    return f"{run.metadata.name}-{digest_text(run.metadata.uid)[:5]}-{attempt}"


def pod_manifest(
    run: FlowRun,
    definition: Definition,
    policy: Policy,
    attempt: int,
    *,
    engine_image: str,
    secure: bool,
    base: Template | None = None,
) -> dict[str, Any]:
    """Return the manifest of an attempt's pod.

    Args:
        run: the FlowRun.
        definition: what it executes.
        policy: its run policy in force.
        attempt: the attempt's number.
        engine_image: the image where neither flow nor run names one.
        secure: whether the pod gets the security defaults (PSA *restricted*); else they are left to template and cluster.
        base: the administrator's template for all pods (--engine-template); everything of the user's is merged over it.

    Raises:
        Unusable: a template is no PodSpec; the message says where.
    """
    execution = definition.execution
    spec = _base_spec(policy, engine_image, secure=secure)
    labels: dict[str, str] = {
        name: value for name, value in run.metadata.labels.items() if name.startswith(k.KUEUE_PREFIX)
    }
    annotations: dict[str, str] = {}
    if base is not None:
        spec = strategic_merge(spec, base.spec or {}, "--engine-template.spec")
        if base.metadata is not None:
            labels.update(base.metadata.labels or {})
            annotations.update(base.metadata.annotations or {})
    env = _kept_env(run, execution, policy, attempt)
    for whose, layer in (("flow", execution), ("run", run.spec)):
        try:
            spec = _with_layer(spec, layer, whose, {variable["name"] for variable in env})
        except Unusable as e:
            e.of_run = layer is run.spec
            raise
        if layer.template is not None and layer.template.metadata is not None:
            labels.update(layer.template.metadata.labels or {})
            annotations.update(layer.template.metadata.annotations or {})
    _keep(spec, env, _volumes(definition), policy)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(run, attempt),
            "namespace": run.metadata.namespace,
            "labels": {**labels, **_labels(run, attempt)},
            "annotations": {**annotations, k.ANNOTATION_INTENT: intent_annotation(run)},
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
    # A Service's name must not become a variable of the engine's.
    spec: dict[str, Any] = {"containers": [engine], "enableServiceLinks": False}
    if secure:
        engine["env"] = [{"name": "HOME", "value": _TMP_DIR}]
        engine["volumeMounts"] = [{"name": _TMP, "mountPath": _TMP_DIR}]
        engine["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        spec["volumes"] = [{"name": _TMP, "emptyDir": {}}]
        spec["securityContext"] = {
            "runAsNonRoot": True,
            "runAsUser": k.RUN_AS,
            "runAsGroup": k.RUN_AS,
            "fsGroup": k.RUN_AS,
            "fsGroupChangePolicy": "OnRootMismatch",  # a large volume is not walked through for each pod
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    return spec


def _with_layer(
    spec: dict[str, Any], layer: Execution | FlowRunSpec, whose: str, names: Collection[str]
) -> dict[str, Any]:
    """Lay what a flow or a run says of the pod over a spec: the shortcuts, then the template.

    Raises:
        Unusable: it can't be; the message says where.
    """
    shortcuts: dict[str, Any] = {}
    if layer.image is not None:
        shortcuts["image"] = layer.image
    if layer.resources is not None:
        shortcuts["resources"] = layer.resources
    if layer.env:
        check_env(layer.env, names, whose)
        shortcuts["env"] = [variable.to_json() for variable in layer.env]
    if shortcuts:
        engine = strategic_merge(_engine_of(spec), shortcuts, whose, CONTAINER)
        spec = {**spec, "containers": [engine if _is_engine(c) else c for c in spec["containers"]]}
    if layer.template is None:
        return spec
    merged = strategic_merge(spec, layer.template.spec or {}, f"template.spec ({whose})")
    grace = layer.run_policy.grace_period_seconds if layer.run_policy is not None else None
    check_kept(layer.template, grace, names, whose)
    try:
        _engine_of(merged)
    except LookupError:
        raise Unusable(
            f"template.spec.containers ({whose}) takes away the container {k.ENGINE_CONTAINER!r}, in which the flow runs"
        ) from None
    return merged


def _is_engine(container: Mapping[str, Any]) -> bool:
    return bool(container["name"] == k.ENGINE_CONTAINER)


def _engine_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's container.

    Raises:
        LookupError: there is none.
    """
    for container in spec.get("containers", ()):
        if _is_engine(container):
            return dict(container)
    raise LookupError(k.ENGINE_CONTAINER)


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


def _kept_env(run: FlowRun, execution: Execution, policy: Policy, attempt: int) -> list[dict[str, Any]]:
    values = {
        k.ENV_NAMESPACE: run.metadata.namespace,
        k.ENV_FLOWRUN: run.metadata.name,
        k.ENV_FLOWRUN_UID: run.metadata.uid,
        k.ENV_ATTEMPT: str(attempt),
        k.ENV_ENTRYPOINT: execution.entrypoint,
        k.ENV_GRACE_SECONDS: str(policy.grace),
        k.ENV_RUN_DIR: k.SCRATCH_DIR,
        k.ENV_LASTING_PATHS: "",  # the templates have their say first
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
        ),
        # The pod's own: /tmp may be a volume that others share, or not to be written at all.
        (
            {"name": k.VOLUME_SCRATCH, "emptyDir": {}},
            {"name": k.VOLUME_SCRATCH, "mountPath": k.SCRATCH_DIR},
        ),
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
    engine = _engine_of(spec)
    # Ours first: a user's variable may then refer to them by $(NAME).
    engine["env"] = [*env, *engine.get("env", ())]
    mounts = engine.get("volumeMounts", [])
    theirs = [m for m in mounts if m.get("name") != _TMP and posixpath.normpath(m["mountPath"]) == _TMP_DIR]
    engine["volumeMounts"] = [
        *(m for m in mounts if not (theirs and m.get("name") == _TMP)),
        *(mount for _, mount in volumes),
    ]
    engine["terminationMessagePath"] = k.TERMINATION_LOG
    engine["terminationMessagePolicy"] = "File"
    # The first container is the one that `kubectl logs` shows.
    spec["containers"] = [engine, *(c for c in spec["containers"] if not _is_engine(c))]
    used = {
        m.get("name")
        for kind in ("containers", "initContainers")
        for c in spec.get(kind, ())
        for m in c.get("volumeMounts", ())
    }
    spec["volumes"] = [
        *(v for v in spec.get("volumes", ()) if v["name"] != _TMP or _TMP in used),
        *(volume for volume, _ in volumes),
    ]
    lasting = next(variable for variable in engine["env"] if variable["name"] == k.ENV_LASTING_PATHS)
    lasting["value"] = lasting_paths(spec)
    spec["restartPolicy"] = "Never"
    spec["automountServiceAccountToken"] = True
    spec["terminationGracePeriodSeconds"] = policy.grace
