"""`result`: what a run or a task of it returned: from the status, from its store, or by the command that reads it in the cluster.

A folder named by a run is that of a pod: only a `penstock dev` has its pods on this machine. Neighbour: the engine's
`clusterruns` reads stores.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from .errors import CliError
from .exits import Exit
from .kinds import FLOW, FLOWRUN, POD, run_names
from .runs import Run, find
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from .api import Api, Json

__all__ = ["result"]

_DEV = "penstock-dev"
_READ = "from penstock.results import ResultStore; print(ResultStore(result_storage={base!r}).read({key!r}).result)"


def result(api: Api, word: str, namespace: str, task: str | None) -> None:
    """Print what a run, or one of its tasks, returned.

    Args:
        api: the API server.
        word: the run.
        namespace: where it is.
        task: name of a task or address of a task run; None: the run itself.

    Raises:
        CliError: it has not ended, did not complete, its result was not kept, or cannot be read from here.
    """
    run = find(api, namespace, run_names([word])[0])
    if task is not None:
        say(_shown(_of_task(api, run, task)))
        return
    kind, name, message = run.state
    if not run.finished:
        raise CliError(f"error: {FLOWRUN.label(run.name)} has not ended: it is {name or 'not begun'}")
    if not run.completed:
        raise CliError(f"error: {FLOWRUN.label(run.name)} returned nothing: it is {kind}/{name}: {message}")
    found = run.status.get("result") or {}
    location = found.get("location")
    if not found:
        say("null")
    elif "json" in found:
        say(found["json"])
    elif location is None:
        what = ", ".join(str(found[part]) for part in ("type", "size") if found.get(part))
        kept = "is kept by a store that has no name" if found.get("kept") else "was not kept"
        raise CliError(
            f"error: the result of {FLOWRUN.label(run.name)} ({what}) {kept}; to keep such results set results.storage of the Flow"
            " to a volume or a bucket, and results.persist: true"
        )
    elif _here(api, location):
        from penstock.clusterruns.stored import StoredElsewhere

        say(_shown(_read(StoredElsewhere(location).read_value)))
    else:
        raise CliError(_elsewhere(api, run, location))


def _of_task(api: Api, run: Run, task: str) -> Any:
    from penstock.clusterruns.results import stored_task_result
    from penstock.kube.times import read_time

    storage = _storage(api, run)
    if storage is None:
        raise CliError(
            f"error: the Flow of {FLOWRUN.label(run.name)} has no results.storage: results of tasks are not kept"
        )
    location = (run.status.get("result") or {}).get("location")
    if not _remote(storage):
        # On this machine the folder is another than in the pod; the run's own result tells which.
        if location is None or not _here(api, location):
            raise CliError(
                f"error: the results of {FLOWRUN.label(run.name)} are at {storage}, in a volume of its pods: read them in a pod that mounts "
                f"it, with penstock.flow_runs.get_task_result({run.name!r}, {task!r})"
            )
        storage = location.rpartition("/")[0]
    lineage = str(run.status.get("lineage") or run.uid)
    created = read_time(run.body["metadata"].get("creationTimestamp")) if lineage == run.uid else None
    since = None if created is None else created.timestamp()
    return _read(lambda: stored_task_result(storage, lineage, task, run.name, since))


def _storage(api: Api, run: Run) -> str | None:
    spec: Json = run.body["spec"]
    if flow := (spec.get("flowRef") or {}).get("name"):
        found = api.find(FLOW.path(run.namespace, flow))
        spec = {"flowSpec": (found or {}).get("spec")}
    storage = (((spec.get("flowSpec") or {}).get("results")) or {}).get("storage")
    return None if storage is None else str(storage)


def _remote(location: str) -> bool:
    return "://" in location and not location.startswith("file://")


def _here(api: Api, location: str) -> bool:
    """Whether a location means the same from here as from the run's pod."""
    return _remote(location) or _DEV in str(api.get("/version").get("gitVersion", ""))


def _read(read: Callable[[], Any]) -> Any:
    from penstock.base.exceptions import MissingResult

    try:
        return read()
    except MissingResult as error:
        raise CliError(f"error: {error}", Exit.NOT_FOUND) from error
    except ValueError as error:
        raise CliError(f"error: {error}", Exit.USAGE) from error


def _shown(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def _elsewhere(api: Api, run: Run, location: str) -> str:
    """Say the command that reads a result where its volume is: in a pod made like the run's."""
    base, _, key = location.rpartition("/")
    code = _READ.format(base=base, key=key)
    where = f"error: the result of {FLOWRUN.label(run.name)} is at {location}, in a volume of its pod"
    pod = api.find(POD.path(run.namespace, run.pod)) if run.pod else None
    if pod is None:
        return f"{where}, and the pod is gone: read it in a pod that mounts this volume: python -c {shlex.quote(code)}"
    name = f"read-{run.name}"[:63].rstrip("-.")
    spec = pod["spec"]
    engine = next(c for c in spec["containers"] if c["name"] == "engine")
    path = location.removeprefix("file://")
    mounts = [m for m in engine.get("volumeMounts") or [] if path.startswith(f"{m['mountPath'].rstrip('/')}/")]
    names = {mount["name"] for mount in mounts}
    container = {"name": name, "image": engine["image"], "command": ["python", "-c", code], "volumeMounts": mounts}
    if engine.get("securityContext"):
        container["securityContext"] = engine["securityContext"]
    overrides: Json = {
        "containers": [container],
        "volumes": [volume for volume in spec.get("volumes") or [] if volume["name"] in names],
        "automountServiceAccountToken": False,
        **({"securityContext": spec["securityContext"]} if spec.get("securityContext") else {}),
    }
    text = shlex.quote(json.dumps({"spec": overrides}))
    return (
        f"{where}; to read it there:\nkubectl run {name} -n {run.namespace} --rm -i --quiet --restart=Never --image={engine['image']} "
        f"--overrides={text}"
    )
