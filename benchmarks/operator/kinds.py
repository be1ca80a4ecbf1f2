"""What is compared: FlowRuns of Penstock, and Jobs of the Job controller. Each a one-pod run, played in the same way.

Pure: documents, paths, and how a watch's line is read without parsing it. Neighbours: `load` applies and plays them, `floor` has more kinds.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.support.flows import QUICK_FLOW, flow, run

FLOW = "bench"
# The first that a line holds is the object's own: managed fields quote theirs, and owners come later.
_NAME = re.compile(rb'"name":"([^"]+)"')
_VERSION = re.compile(rb'"resourceVersion":"(\d+)"')
ENDED = b'"completionTime":"'


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of run.

    Attributes:
        name: of the kind, lower case.
        group: API group and version.
        plural: of its URL.
        label: the label by which its pods name it.
        engine: whether the process in the pod reports to the API server.
        document: makes a run of that name.
        needs: what must be in the namespace before.
        ended: what a line about a run holds that has ended.
        begun: what is done in a controller's place for a run that was applied: the load, its name, the answer; None: a controller does it.
        known: the same where its outcome is known: the load, its name.
    """

    name: str
    group: str
    plural: str
    label: str
    engine: bool
    document: Callable[[str], dict[str, Any]]
    needs: tuple[dict[str, Any], ...] = ()
    ended: bytes = ENDED
    begun: Callable[[Any, str, dict[str, Any]], Awaitable[None]] | None = None
    known: Callable[[Any, str], Awaitable[None]] | None = None

    def path(self, namespace: str) -> str:
        """The URL of its runs in a namespace."""
        root = "apis" if "/" in self.group else "api"
        return f"/{root}/{self.group}/namespaces/{namespace}/{self.plural}"


def _flow_run(name: str) -> dict[str, Any]:
    return run(name, ref=FLOW)


def _job(name: str) -> dict[str, Any]:
    container = {"name": "engine", "image": "penstock/engine:test", "command": ["python", "-c", "pass"]}
    spec = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": spec}},
    }


PENSTOCK = Kind(
    "flowrun",
    "penstock.dev/v1alpha1",
    "flowruns",
    "penstock.dev/flow-run",
    engine=True,
    document=_flow_run,
    needs=(flow(FLOW, QUICK_FLOW),),
)
JOB = Kind("job", "batch/v1", "jobs", "batch.kubernetes.io/job-name", engine=False, document=_job)


def name_in(line: bytes) -> str:
    """Return the name of the object in a watch's line."""
    found = _NAME.search(line)
    return found.group(1).decode() if found else ""


def version_in(line: bytes) -> str:
    """Return the resourceVersion of the object in a watch's line."""
    found = _VERSION.search(line)
    return found.group(1).decode() if found else ""
