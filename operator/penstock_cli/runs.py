"""FlowRuns of the API server: finding one, and the pods of its attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock_reading.runs import Run

from .absent import with_near
from .api import ServerError
from .kinds import FLOWRUN, POD

if TYPE_CHECKING:
    from .api import Api
    from .kinds import Kind

__all__ = ["Run", "attempts_pods", "find", "not_found"]


def attempts_pods(api: Api, run: Run) -> list[tuple[int, str]]:
    """Return number and pod of a run's attempts that still have one, in order."""
    from penstock_operator.api import constants

    selector = f"{constants.LABEL_FLOW_RUN_UID}={run.uid}"
    found = api.get(POD.path(run.namespace), {"labelSelector": selector}).get("items") or []
    pods = [
        (int(pod["metadata"]["labels"].get(constants.LABEL_ATTEMPT, 0)), str(pod["metadata"]["name"])) for pod in found
    ]
    return sorted(pods)


def find(api: Api, namespace: str, name: str) -> Run:
    """Return a run.

    Raises:
        ServerError: there is none of this name; the near ones are told.
    """
    found = api.find(FLOWRUN.path(namespace, name))
    if found is None:
        raise with_near(api, FLOWRUN, namespace, name, not_found(name))
    return Run(found)


def not_found(name: str, kind: Kind = FLOWRUN) -> ServerError:
    """Return what the API server says of an object that is not there."""
    return ServerError(404, "NotFound", f'{kind.plural}.{kind.group} "{name}" not found')
