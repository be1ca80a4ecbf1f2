"""`version`: what runs here and in the cluster, and a warning where two of them do not fit together."""

from __future__ import annotations

import platform
import re
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .api import ServerError
from .errors import CliError
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from .api import Api, Json
    from .outputs import Output

__all__ = ["show", "warnings"]

_DEPLOYMENTS = "/apis/apps/v1/deployments"
_OURS = {"labelSelector": "app.kubernetes.io/name=penstock"}
_OLDEST = (1, 30)
_DEV = "penstock-dev"
_NUMBERS = re.compile(r"v?(\d+)\.(\d+)")


def show(connected: Callable[[], AbstractContextManager[Api]] | None, output: Output) -> None:
    """Print the versions; a cluster that cannot be asked is told, and is no error.

    Args:
        connected: gives the API server; None: only this program's version is wanted.
        output: the format.
    """
    found: Json = {"client": {"version": version("penstock"), "python": platform.python_version()}}
    if connected is not None:
        found |= _cluster(connected)
    if output.kind == "name":
        for name in _names(found):
            say(name)
    elif output.kind:
        output.show(found)
    else:
        for key, text in _lines(found):
            say(f"{key:<10}{text}")
    for warning in warnings(found):
        say(f"warning: {warning}", error=True)


def warnings(found: Json) -> Iterator[str]:
    """Yield what does not fit together; versions fit that have the first two numbers in common."""
    client = found["client"]["version"]
    for operator in found.get("operators") or []:
        here = f"the operator {operator['where']}"
        if _differ(client, operator["version"]):
            yield f"{here} is {operator['version']}, this program {client}: bring them to one version"
        tag = operator["engine"].rpartition(":")[2]
        if _differ(operator["version"], tag):
            yield f"{here} is {operator['version']}, its engine image {tag}: bring them to one version"
    numbers = _NUMBERS.match((found.get("cluster") or {}).get("version") or "")
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST:
        yield f"Kubernetes {numbers[0]} is older than {_OLDEST[0]}.{_OLDEST[1]}, the oldest that works"


def _differ(one: str, other: str) -> bool:
    first, second = _NUMBERS.match(one), _NUMBERS.match(other)
    return bool(first and second and first.groups() != second.groups())


def _cluster(connected: Callable[[], AbstractContextManager[Api]]) -> Json:
    try:
        with connected() as api:
            found: Json = {"cluster": {"version": str(api.get("/version").get("gitVersion", "")), "server": api.server}}
            if _DEV in found["cluster"]["version"]:
                return found  # its operator is a process beside it, of the same installation
            try:
                items = api.get(_DEPLOYMENTS, _OURS).get("items") or []
                return {**found, "operators": [_operator(item) for item in items]}
            except ServerError as error:
                return {**found, "operators": [], "problem": f"the operator cannot be seen: {error.message}"}
    except CliError as error:
        return {"cluster": {"version": "", "server": "", "problem": str(error).removeprefix("error: ")}}


def _operator(deployment: Json) -> Json:
    metadata = deployment["metadata"]
    container: Json = {}
    with suppress(LookupError, TypeError):
        container = deployment["spec"]["template"]["spec"]["containers"][0]
    engine = next((a.partition("=")[2] for a in container.get("args") or [] if a.startswith("--engine-image=")), "")
    labels: dict[str, Any] = metadata.get("labels") or {}
    return {
        "where": f"{metadata['namespace']}/{metadata['name']}",
        "version": str(labels.get("app.kubernetes.io/version", "")),
        "image": str(container.get("image", "")),
        "engine": engine,
    }


def _names(found: Json) -> Iterator[str]:
    """Yield what was found as `what/version`, what is not known left out."""
    yield f"client/{found['client']['version']}"
    if version := (found.get("cluster") or {}).get("version"):
        yield f"cluster/{version}"
    for operator in found.get("operators") or []:
        if operator["version"]:
            yield f"operator/{operator['version']}"
        if operator["engine"]:
            yield f"engine/{operator['engine']}"


def _lines(found: Json) -> Iterator[tuple[str, str]]:
    yield "client", f"{found['client']['version']} (Python {found['client']['python']})"
    cluster = found.get("cluster")
    if cluster is None:
        return
    if cluster.get("problem"):
        yield "cluster", f"none: {cluster['problem']}"
        return
    yield "cluster", f"Kubernetes {cluster['version']} at {cluster['server']}"
    if "operators" not in found:
        yield "operator", "that of penstock dev, of the installation that started it"
        return
    for operator in found["operators"]:
        yield (
            "operator",
            f"{operator['version'] or 'of an unknown version'} ({operator['image']}) in {operator['where']}",
        )
        yield "engine", operator["engine"] or "the operator's default"
    if not found["operators"]:
        yield "operator", found.get("problem") or "none: no Deployment with the label app.kubernetes.io/name=penstock"
