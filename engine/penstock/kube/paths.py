"""Paths of the Kubernetes API: the one place in the engine where a name becomes part of a URL.

A name that no object can have is refused, and every other is escaped, so that it can never lead to another object than the one that it
names. The operator's side has a module of the same kind; a test compares the two, and lists every other place that writes a path.
"""

from __future__ import annotations

from urllib.parse import quote


class NotANameError(ValueError):
    """A text that no object can have as its name."""


def segment(name: str) -> str:
    """Give a name as one segment of a path, escaped.

    Raises:
        NotANameError: No object can have this name (apimachinery's ``IsValidPathSegmentName``): servers take a path apart after they
            have undone its escapes, and clients resolve dots, so that escaping alone would not do.
    """
    if not name or name in (".", "..") or "/" in name or "%" in name:
        raise NotANameError(f"no object can be called {name!r}")
    return quote(name.encode("utf-8", "surrogatepass"), safe="")


GROUP_VERSION = "penstock.dev/v1alpha1"


def flow_runs(namespace: str, name: str | None = None) -> str:
    """Give the path of a namespace's FlowRuns, or of one.

    Raises:
        NotANameError: One of them is no name.
    """
    return _of("flowruns", namespace, name)


def flows(namespace: str, name: str | None = None) -> str:
    """Give the path of a namespace's Flows, or of one.

    Raises:
        NotANameError: One of them is no name.
    """
    return _of("flows", namespace, name)


def pod_log(namespace: str, name: str) -> str:
    """Give the path of a pod's log.

    Raises:
        NotANameError: One of them is no name.
    """
    return f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(name)}/log"


def custom(group_version: str, plural: str, namespace: str, name: str | None = None) -> str:
    """Give the path of a namespace's resources of another group, or of one.

    Raises:
        NotANameError: One of them is no name.
    """
    group, version = map(segment, group_version.split("/"))
    own = f"/apis/{group}/{version}/namespaces/{segment(namespace)}/{segment(plural)}"
    return own if name is None else f"{own}/{segment(name)}"


def _of(plural: str, namespace: str, name: str | None) -> str:
    path = f"/apis/{GROUP_VERSION}/namespaces/{segment(namespace)}/{plural}"
    return path if name is None else f"{path}/{segment(name)}"


def flow_run_status(namespace: str, name: str) -> str:
    """Give the path of a FlowRun's status.

    Raises:
        NotANameError: One of them is no name.
    """
    return f"{flow_runs(namespace, name)}/status"
