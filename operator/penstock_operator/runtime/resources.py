"""The kinds of objects that the operator asks the API server for, and how their URLs are written.

Neighbours: `client` takes a `Resource` with every request, `rights` names the verbs on each, `store` holds the watched three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from penstock_operator.api import paths
from penstock_operator.api.constants import FLOW_PLURAL, FLOWRUN_PLURAL, GROUP, LABEL_FLOW_RUN_UID, VERSION
from penstock_operator.api.flowrun import StateType


class Key(NamedTuple):
    """The name of a namespaced object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, as its URL names it."""

    group: str
    version: str
    plural: str

    def path(self, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> str:
        """Return the URL's path: of all objects, of a namespace's, or of one object and its subresource.

        Raises:
            NotANameError: no object can have this name.
        """
        return paths.path(self.group, self.version, self.plural, namespace, name, sub)


FLOWRUNS: Final = Resource(GROUP, VERSION, FLOWRUN_PLURAL)
FLOWS: Final = Resource(GROUP, VERSION, FLOW_PLURAL)
PODS: Final = Resource("", "v1", "pods")
CONFIGMAPS: Final = Resource("", "v1", "configmaps")
CORE_EVENTS: Final = Resource("", "v1", "events")
EVENTS: Final = Resource("events.k8s.io", "v1", "events")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases")

WATCHED: Final = (FLOWRUNS, FLOWS, PODS)
# The pods that are ours, whoever writes the labels that everybody knows: nobody but the operator sets this one.
POD_SELECTOR: Final = LABEL_FLOW_RUN_UID
# What has not ended: a server filters runs since 1.31 (selectableFields), pods always.
LIVE_RUNS: Final = ",".join(f"status.state.type!={kind.value}" for kind in StateType if kind.terminal)
LIVE_PODS: Final = "status.phase!=Succeeded,status.phase!=Failed"


def selector(resource: Resource) -> str | None:
    """Return the label selector under which the operator lists and watches a resource; the server filters, not the client."""
    return POD_SELECTOR if resource == PODS else None


def live_selector(resource: Resource) -> str | None:
    """Return the field selector of what is to be known first: all that has not ended."""
    return {FLOWRUNS: LIVE_RUNS, PODS: LIVE_PODS}.get(resource)
