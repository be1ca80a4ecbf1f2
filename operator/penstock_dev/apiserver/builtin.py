"""The built-in kinds that are served, as a table.

Field names and types are in `builtin_schemas.json` (made from a real server's OpenAPI documents, names and types only); behaviour is
in the strategies. Roles and bindings are what `authorization` reads; admission policies and Deployments are stored and do nothing: a chart can be
applied, but the policies in force are those that the server was given, and no controllers run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import columns
from .crd_strategy import DefinitionStrategy
from .kinds import ALL_VERBS, Column, Resource, Strategy
from .pods import PodStrategy
from .schema import Schema, Types
from .strategies import (
    AccountStrategy,
    ClaimStrategy,
    CountedStrategy,
    DataStrategy,
    EventStrategy,
    LeaseStrategy,
    NamespaceStrategy,
    RoleStrategy,
    event_in,
    event_out,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS = {"status": ("get", "patch", "update")}
RBAC, ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_FREE_TYPES = ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",)

_POD_FIELDS = (
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.phase",
    "status.podIP", "status.nominatedNodeName",
)  # fmt: skip
_EVENT_FIELDS = (
    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "involvedObject.apiVersion",
    "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "type",
)  # fmt: skip


class Builtin:
    """Loads the schemas and makes the built-in kinds."""

    def __init__(self) -> None:
        content = json.loads(Path(__file__).with_name("builtin_schemas.json").read_text())
        for name in _FREE_TYPES:
            content["types"][name] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        self.kinds: dict[str, str] = content["kinds"]
        self.documents: dict[str, dict[str, Any]] = content["types"]
        self.types = Types(self.documents)

    def schema(self, api_version: str, kind: str) -> Schema:
        """Return the schema of a built-in kind."""
        return self.types(self.kinds[f"{api_version}/{kind}"])

    @property
    def metadata(self) -> Schema:
        """The schema of ObjectMeta."""
        return self.types(META)

    def resources(self) -> list[Resource]:
        """Return all built-in kinds."""
        core_event = self._kind(
            "", "v1", "events", "Event", EventStrategy(new_api=False), columns.EVENTS, ("ev",),
            selectable={**{name: name for name in _EVENT_FIELDS}, "source": "source.component"}, bucket="events",
        )  # fmt: skip
        new_event = self._kind(
            "events.k8s.io", "v1", "events", "Event", EventStrategy(new_api=True), columns.EVENTS, ("ev",),
            selectable={
                **{name.replace("involvedObject", "regarding"): name for name in _EVENT_FIELDS},
                "reportingController": "reportingComponent",
            },
            bucket="events", inbound=event_in, outbound=event_out,
        )  # fmt: skip
        data = columns.DATA
        return [
            self._kind(
                "", "v1", "pods", "Pod", PodStrategy(), columns.PODS, ("po",), ("all",),
                {**STATUS, "log": ("get",), "binding": ("create",)}, {name: name for name in _POD_FIELDS},
            ),
            self._kind("", "v1", "configmaps", "ConfigMap", DataStrategy(secret=False), data, ("cm",)),
            self._kind("", "v1", "secrets", "Secret", DataStrategy(secret=True), columns.SECRETS, selectable={"type": "type"}),
            self._kind(
                "", "v1", "serviceaccounts", "ServiceAccount", AccountStrategy(), columns.ACCOUNTS, ("sa",),
                subresources={"token": ("create",)},
            ),
            self._kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", ClaimStrategy(), columns.CLAIMS, ("pvc",), (), STATUS),
            self._kind(
                "", "v1", "namespaces", "Namespace", NamespaceStrategy(), columns.NAMESPACES, ("ns",), subresources=STATUS,
                selectable={"status.phase": "status.phase"}, namespaced=False, without=("deletecollection",),
            ),
            self._kind(
                "", "v1", "nodes", "Node", Strategy(), columns.NODES, ("no",), subresources=STATUS,
                selectable={"spec.unschedulable": "spec.unschedulable"}, namespaced=False,
            ),
            core_event,
            new_event,
            self._kind("coordination.k8s.io", "v1", "leases", "Lease", LeaseStrategy(), columns.LEASES),
            self._kind(RBAC, "v1", "roles", "Role", RoleStrategy(binding=False), columns.CREATED),
            self._kind(RBAC, "v1", "clusterroles", "ClusterRole", RoleStrategy(binding=False), columns.CREATED, namespaced=False),
            self._kind(RBAC, "v1", "rolebindings", "RoleBinding", RoleStrategy(binding=True), columns.BINDINGS),
            self._kind(
                RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", RoleStrategy(binding=True), columns.BINDINGS,
                namespaced=False,
            ),
            self._kind(
                ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", CountedStrategy(), columns.POLICIES,
                categories=("api-extensions",), subresources=STATUS, namespaced=False,
            ),
            self._kind(
                ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", CountedStrategy(),
                columns.POLICY_BINDINGS, categories=("api-extensions",), namespaced=False,
            ),
            self._kind("apps", "v1", "deployments", "Deployment", CountedStrategy(), columns.DEPLOYMENTS, ("deploy",), ("all",), STATUS),
            self._kind(
                "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", DefinitionStrategy(),
                columns.DEFINITIONS, ("crd", "crds"), ("api-extensions",), STATUS, namespaced=False,
            ),
        ]  # fmt: skip

    def _kind(
        self,
        group: str,
        version: str,
        plural: str,
        kind: str,
        strategy: Strategy,
        shown: tuple[Column, ...],
        short_names: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        subresources: Mapping[str, tuple[str, ...]] | None = None,
        selectable: Mapping[str, str] | None = None,
        *,
        namespaced: bool = True,
        without: tuple[str, ...] = (),
        **more: Any,
    ) -> Resource:
        stored = "v1" if more.get("bucket") == "events" else f"{group}/{version}" if group else version
        return Resource(
            group=group,
            version=version,
            plural=plural,
            kind=kind,
            namespaced=namespaced,
            schema=self.schema(stored, kind),
            strategy=strategy,
            singular=kind.lower(),
            short_names=short_names,
            categories=categories,
            verbs=tuple(verb for verb in ALL_VERBS if verb not in without),
            subresources=subresources or {},
            columns=shown,
            selectable=selectable or {},
            list_kind=f"{kind}List",
            **more,
        )
