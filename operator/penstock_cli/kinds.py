"""Which resource a word means: `fr`, `flowruns`, `pod/x`, or a manifest's apiVersion and kind.

The everyday ones are known here, so that they cost no request; any other is looked up in the server's discovery documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock_operator.api import constants

from .api import ServerError
from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .api import Api, Json

__all__ = ["FLOW", "FLOWRUN", "POD", "Kind", "Target", "kind_of", "resolve", "run_names", "targets"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource that the API server has."""

    group: str
    version: str
    kind: str
    plural: str
    short: str = ""
    namespaced: bool = True

    @property
    def singular(self) -> str:
        """Return the word for one."""
        return self.kind.lower()

    @property
    def words(self) -> set[str]:
        """Return the words that mean it."""
        names = {self.plural, self.singular} | ({self.short} if self.short else set())
        return names | ({f"{self.plural}.{self.group}", f"{self.singular}.{self.group}"} if self.group else set())

    def path(self, namespace: str | None, name: str = "") -> str:
        """Return the path of an object, or of the collection; without a namespace that of all namespaces."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{base}{inside}/{self.plural}" + (f"/{name}" if name else "")

    def label(self, name: str) -> str:
        """Return how kubectl names an object: `flowrun.penstock.dev/x`."""
        return f"{self.singular}{f'.{self.group}' if self.group else ''}/{name}"


FLOWRUN = Kind(constants.GROUP, constants.VERSION, "FlowRun", constants.FLOWRUN_PLURAL, "fr")
FLOW = Kind(constants.GROUP, constants.VERSION, "Flow", constants.FLOW_PLURAL, "fl")
POD = Kind("", "v1", "Pod", "pods", "po")
_KNOWN = (
    FLOWRUN,
    FLOW,
    POD,
    Kind("", "v1", "ConfigMap", "configmaps", "cm"),
    Kind("", "v1", "Secret", "secrets"),
    Kind("", "v1", "Event", "events", "ev"),
    Kind("", "v1", "Namespace", "namespaces", "ns", namespaced=False),
    Kind("", "v1", "Node", "nodes", "no", namespaced=False),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", "sa"),
)


def _discovered(api: Api, path: str, group: str, version: str) -> Iterator[Kind]:
    for resource in api.get(path).get("resources") or []:
        if "/" not in resource["name"]:
            short = (resource.get("shortNames") or [""])[0]
            yield Kind(group, version, resource["kind"], resource["name"], short, bool(resource.get("namespaced")))


def _all(api: Api) -> Iterator[Kind]:
    yield from _discovered(api, "/api/v1", "", "v1")
    for group in api.get("/apis").get("groups") or []:
        version = group["preferredVersion"]["version"]
        yield from _discovered(api, f"/apis/{group['name']}/{version}", group["name"], version)


def resolve(api: Api, word: str) -> Kind:
    """Return the kind that a word of the command line means.

    Raises:
        CliError: the server has no such resource.
    """
    lowered = word.lower()
    for kind in _KNOWN:
        if lowered in kind.words:
            return kind
    for kind in _all(api):
        if lowered in kind.words:
            return kind
    raise CliError(f'error: the server doesn\'t have a resource type "{word}"')


def kind_of(api: Api, manifest: Json) -> Kind:
    """Return the kind of a manifest.

    Raises:
        CliError: the server does not have it.
    """
    group, _, version = manifest["apiVersion"].rpartition("/")
    for kind in _KNOWN:
        if (kind.group, kind.version, kind.kind) == (group, version, manifest["kind"]):
            return kind
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    try:
        for kind in _discovered(api, path, group, version):
            if kind.kind == manifest["kind"]:
                return kind
    except ServerError as error:
        if error.status != 404:
            raise
    raise CliError(
        f'no matches for kind "{manifest["kind"]}" in version "{manifest["apiVersion"]}" (is its CRD installed?)'
    )


@dataclass(frozen=True, slots=True)
class Target:
    """An object that the command line names, or all of a kind."""

    kind: Kind
    name: str = ""


def targets(api: Api, words: Sequence[str]) -> list[Target]:
    """Read `TYPE`, `TYPE NAME...` or `TYPE/NAME...`, as kubectl takes them.

    Raises:
        CliError: neither of the three.
    """
    if any("/" in word for word in words):
        if not all("/" in word for word in words):
            raise CliError(
                "error: there is no need to specify a resource type as a separate argument when passing TYPE/NAME"
            )
        pairs = [word.split("/", 1) for word in words]
        return [Target(resolve(api, kind), name) for kind, name in pairs]
    kinds = [resolve(api, word) for word in words[0].split(",")]
    if len(words) == 1:
        return [Target(kind) for kind in kinds]
    return [Target(kind, name) for kind in kinds for name in words[1:]]


def run_names(words: Sequence[str]) -> list[str]:
    """Read FlowRuns' names: `NAME` or `fr/NAME`, or the two words `fr NAME...`.

    Raises:
        CliError: another kind was named.
    """
    if len(words) > 1 and words[0].lower() in FLOWRUN.words:
        words = words[1:]
    names = []
    for word in words:
        kind, slash, name = word.partition("/")
        if slash and kind.lower() not in FLOWRUN.words:
            raise CliError(f"error: {word} is no FlowRun; this command is for FlowRuns only")
        names.append(name if slash else word)
    return names
