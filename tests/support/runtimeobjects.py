"""Raw objects as an API server shows them, for the tests of the operator's runtime; and a small core that drives them."""

from __future__ import annotations

from typing import Any

from penstock_operator.api.constants import API_VERSION, LABEL_FLOW_RUN, LABEL_FLOW_RUN_UID


def flowrun(name: str = "etl", *, uid: str = "run-1", version: int = 1, **more: Any) -> dict[str, Any]:
    """A FlowRun; `spec`, `status` and metadata fields by name."""
    spec = more.pop("spec", {"flowSpec": {"entrypoint": "etl.py:main"}})
    status = more.pop("status", {})
    metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(version), **more}
    return {"apiVersion": API_VERSION, "kind": "FlowRun", "metadata": metadata, "spec": spec, "status": status}


def flow(name: str = "etl", *, uid: str = "flow-1", version: int = 1, **spec: Any) -> dict[str, Any]:
    """A Flow."""
    metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(version)}
    return {
        "apiVersion": API_VERSION,
        "kind": "Flow",
        "metadata": metadata,
        "spec": {"entrypoint": "etl.py:main", **spec},
    }


def pod(
    name: str = "etl-1", *, run: str = "etl", owner: str = "run-1", uid: str = "pod-1", version: int = 1, **more: Any
) -> dict[str, Any]:
    """A pod of a run; metadata fields, `spec` and `status` by name."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"containers": [{"name": "engine", "image": "x"}], **more.pop("spec", {})},
        "status": {"phase": "Pending", **more.pop("status", {})},
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {LABEL_FLOW_RUN_UID: owner, LABEL_FLOW_RUN: run},
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": "FlowRun", "name": run, "uid": owner, "controller": True}
            ],
            **more,
        },
    }


def state(type_: str, name: str = "", message: str = "") -> dict[str, Any]:
    """A state."""
    return {"type": type_, "name": name or type_, **({"message": message} if message else {})}
