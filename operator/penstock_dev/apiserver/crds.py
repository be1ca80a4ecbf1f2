"""Serves the kinds of CustomResourceDefinitions: follows their objects in the store and keeps the registry in step.

A definition is served from the moment it is stored until it is gone. Its schemas are compiled here, once per change.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from .kinds import Registry, Resource, Strategy
from .rules import compile_rules
from .schema import Schema
from .tables import custom_columns

if TYPE_CHECKING:
    from .store import Change, Object, Store

BUCKET = "customresourcedefinitions.apiextensions.k8s.io"


class CustomStrategy(Strategy):
    """Custom resources: generations count, a PUT must say which version it replaces."""

    counts_generations = True
    unconditional_update = False


class Definitions:
    """Keeps the registry's custom kinds in step with the stored definitions."""

    def __init__(self, store: Store, registry: Registry, metadata: Schema) -> None:
        self._registry = registry
        self._metadata = metadata
        for definition in store.objects(BUCKET):
            self._serve(definition)
        store.listen(self._changed)

    def _changed(self, change: Change) -> None:
        if change.bucket != BUCKET:
            return
        if change.old is not None and (change.type == "DELETED" or change.old["spec"] != change.new["spec"]):
            for version in change.old["spec"]["versions"]:
                self._registry.remove(
                    change.old["spec"]["group"], version["name"], change.old["spec"]["names"]["plural"]
                )
        if change.type == "ADDED" or (
            change.type == "MODIFIED" and change.old is not None and change.old["spec"] != change.new["spec"]
        ):
            self._serve(change.new)

    def _serve(self, definition: Object) -> None:
        for version in definition["spec"]["versions"]:
            if version.get("served"):
                self._registry.add(self._resource(definition, version))

    def _resource(self, definition: Object, version: dict[str, Any]) -> Resource:
        spec = definition["spec"]
        names = spec["names"]
        document = version["schema"]["openAPIV3Schema"]
        properties = {**document.get("properties", {}), "apiVersion": {"type": "string"}, "kind": {"type": "string"}}
        own_metadata = document.get("properties", {}).get("metadata", {})
        properties["metadata"] = {"type": "object", **own_metadata}
        schema = Schema({**document, "properties": properties})
        list(compile_rules(schema))  # wrong rules were refused when the definition was written
        schema.properties["metadata"] = _restricted(self._metadata, schema.properties["metadata"].properties)
        api_version = f"{spec['group']}/{version['name']}"
        several = len(spec["versions"]) > 1

        def outbound(obj: Object) -> Object:
            return {**obj, "apiVersion": api_version}

        subresources = {"status": ("get", "patch", "update")} if "status" in (version.get("subresources") or {}) else {}
        return Resource(
            group=spec["group"],
            version=version["name"],
            plural=names["plural"],
            kind=names["kind"],
            namespaced=spec["scope"] == "Namespaced",
            schema=schema,
            strategy=CustomStrategy(),
            singular=names["singular"],
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=subresources,
            columns=custom_columns(version.get("additionalPrinterColumns") or ()),
            selectable={
                field["jsonPath"].removeprefix("."): field["jsonPath"].removeprefix(".")
                for field in version.get("selectableFields") or ()
            },
            custom=True,
            list_kind=names["listKind"],
            outbound=outbound if several else None,
        )


def _restricted(metadata: Schema, names: dict[str, Schema]) -> Schema:
    """Return everybody's metadata with what a definition demands of `name` and `generateName`: it may say no more."""
    if not names:
        return metadata
    own = copy.copy(metadata)
    own.properties = {**metadata.properties, **names}
    return own
