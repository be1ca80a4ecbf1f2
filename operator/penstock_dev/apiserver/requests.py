"""Reads a request: its path, what kind of answer it wants, its body and its options. Pure; the HTTP room passes plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import bodies, protobuf
from .status import ApiError, FieldError, bad_request, invalid_options, unsupported
from .verbs import DeleteOptions, WriteOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

BODY_LIMIT = 3 * 1024 * 1024
_TRUE = ("true", "1", "t", "T", "TRUE", "True")


@dataclass(frozen=True, slots=True)
class Target:
    """What a resource path points to."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def read_path(path: str) -> Target | None:
    """Return the target of `/api/...` or `/apis/...`; None for anything else."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    return Target(group, version, plural, namespace, name, subresource)


@dataclass(frozen=True, slots=True)
class Answer:
    """The form of an answer: `plain`, `table` or `metadata`."""

    form: str = "plain"


def read_accept(header: str) -> Answer:
    """Return the first offered form that is served.

    Raises:
        ApiError: 406.
    """
    for offer in header.split(",") if header else ["*/*"]:
        media, *parameters = [part.strip() for part in offer.split(";")]
        options = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media in ("*/*", "application/*"):
            return Answer()
        if media != "application/json":
            continue
        wanted = options.get("as", "")
        if not wanted:
            return Answer()
        if options.get("g") == "meta.k8s.io" and options.get("v") == "v1":
            if wanted == "Table":
                return Answer("table")
            if wanted in ("PartialObjectMetadata", "PartialObjectMetadataList"):
                return Answer("metadata")
    raise ApiError("NotAcceptable", "only the following media types are accepted: application/json")


def read_body(data: bytes, media_type: str) -> Any:
    """Return the value of a body.

    Raises:
        ApiError: 400 for text that is neither JSON nor, where that is allowed, YAML; 415 for another media type.
    """
    media = media_type.partition(";")[0].strip()
    if media == protobuf.MEDIA:
        return protobuf.read(data)
    if media in ("application/yaml", "application/apply-patch+yaml"):
        return bodies.yaml_value(data)
    if media in ("", "application/json") or media.endswith("+json"):
        return bodies.json_value(data)
    raise ApiError(
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format ({media}) - accepted media types include: application/json, "
        "application/yaml",
    )


def write_options(kind: str, query: Mapping[str, str], agent: str, user: str, warnings: list[str]) -> WriteOptions:
    """Return the options of a write; `kind` is what refusals call them: CreateOptions, UpdateOptions or PatchOptions.

    Raises:
        ApiError: 422 for values that are none.
    """
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        text = f'Unsupported value: ["{dry_run}"]: supported values: "All"'
        raise invalid_options(kind, FieldError("FieldValueNotSupported", "dryRun", text))
    validation = query.get("fieldValidation", "") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        raise invalid_options(kind, unsupported("fieldValidation", validation, ("", "Ignore", "Strict", "Warn")))
    manager = query.get("fieldManager", "") or agent.partition("/")[0] or "unknown"
    return WriteOptions(
        dry_run=dry_run == "All",
        validation=validation,
        manager=manager[:128],
        force=query.get("force") in _TRUE,
        user=user,
        warnings=warnings,
    )


def delete_options(query: Mapping[str, str], body: Any) -> DeleteOptions:
    """Return the options of a DELETE: the body's, or else the query's.

    Raises:
        ApiError: 400 or 422 for values that are none.
    """
    options = body if isinstance(body, dict) else {}
    grace = options.get("gracePeriodSeconds")
    if grace is None and "gracePeriodSeconds" in query:
        text = query["gracePeriodSeconds"]
        if not text.lstrip("-").isdigit():
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        grace = int(text)
    propagation = options.get("propagationPolicy") or query.get("propagationPolicy", "")
    orphan = options.get("orphanDependents")
    if orphan is None and "orphanDependents" in query:
        orphan = query["orphanDependents"] in _TRUE
    if not propagation and orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    if propagation not in ("", "Background", "Foreground", "Orphan"):
        raise ApiError(
            "Invalid",
            f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "{propagation}": '
            'supported values: "Background", "Foreground", "Orphan"',
        )
    preconditions = options.get("preconditions") or {}
    dry_run = options.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    return DeleteOptions(
        grace=grace,
        propagation=propagation,
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
        dry_run="All" in dry_run,
    )
