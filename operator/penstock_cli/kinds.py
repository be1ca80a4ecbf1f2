"""Which resource a word means: `fr`, `flowruns`, `pod/x`, or a manifest's apiVersion and kind.

The everyday ones are known here, so that they cost no request; any other is looked up in the server's discovery documents.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock_operator.api import constants, paths

from .api import ServerError
from .errors import CliError
from .exits import Exit
from .nearness import near

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .api import Api, Json

__all__ = [
    "CONFIGMAP",
    "EVENT",
    "FLOW",
    "FLOWRUN",
    "POD",
    "Kind",
    "NoKindError",
    "Target",
    "kind_of",
    "named",
    "resolve",
    "run_name",
    "run_names",
    "targets",
]


class NoKindError(CliError):
    """The server knows no such kind."""


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

    def path(self, namespace: str | None, name: str = "", sub: str | None = None) -> str:
        """Return the path of an object (or its subresource), or of the collection; without a namespace that of all namespaces.

        Raises:
            NotANameError: no object can have this name.
        """
        where = namespace if self.namespaced and namespace else None
        return paths.path(self.group, self.version, self.plural, where, name or None, sub)

    def label(self, name: str) -> str:
        """Return how kubectl names an object: `flowrun.penstock.dev/x`."""
        return f"{self.singular}{f'.{self.group}' if self.group else ''}/{name}"


FLOWRUN = Kind(constants.GROUP, constants.VERSION, "FlowRun", constants.FLOWRUN_PLURAL, "fr")
FLOW = Kind(constants.GROUP, constants.VERSION, "Flow", constants.FLOW_PLURAL, "fl")
POD = Kind("", "v1", "Pod", "pods", "po")
CONFIGMAP = Kind("", "v1", "ConfigMap", "configmaps", "cm")
EVENT = Kind("", "v1", "Event", "events", "ev")
KNOWN = (
    FLOWRUN,
    FLOW,
    POD,
    CONFIGMAP,
    Kind("", "v1", "Secret", "secrets"),
    EVENT,
    Kind("", "v1", "Namespace", "namespaces", "ns", namespaced=False),
    Kind("", "v1", "Node", "nodes", "no", namespaced=False),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", "sa"),
)

# Of few and short words: `nonsense` is not `nodes`.
_ALIKE = 0.7


def _discovered(api: Api, group: str, version: str) -> Iterator[Kind]:
    for resource in api.get(paths.path(group, version)).get("resources") or []:
        if "/" not in resource["name"]:
            short = (resource.get("shortNames") or [""])[0]
            yield Kind(group, version, resource["kind"], resource["name"], short, bool(resource.get("namespaced")))


def _all(api: Api) -> Iterator[Kind]:
    yield from _discovered(api, "", "v1")
    for group in api.get(paths.GROUPS).get("groups") or []:
        version = group["preferredVersion"]["version"]
        yield from _discovered(api, group["name"], version)


def resolve(api: Api, word: str) -> Kind:
    """Return the kind that a word of the command line means.

    Raises:
        CliError: the server has no such resource.
    """
    lowered = word.lower()
    for kind in KNOWN:
        if lowered in kind.words:
            return kind
    kinds = list(_all(api))
    for kind in kinds:
        if lowered in kind.words:
            return kind
    words = {word for kind in (*KNOWN, *kinds) for word in (kind.plural, kind.singular, kind.short) if word}
    hint = near(lowered, words, _ALIKE)
    raise CliError(f'error: the server doesn\'t have a resource type "{word}".{hint}'.removesuffix("."))


def kind_of(api: Api, manifest: Json) -> Kind:
    """Return the kind of a manifest.

    Raises:
        CliError: the server does not have it.
    """
    group, _, version = manifest["apiVersion"].rpartition("/")
    for kind in KNOWN:
        if (kind.group, kind.version, kind.kind) == (group, version, manifest["kind"]):
            return kind
    try:
        for kind in _discovered(api, group, version):
            if kind.kind == manifest["kind"]:
                return kind
    except ServerError as error:
        if error.status != 404:
            raise
    raise NoKindError(
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
                "error: there is no need to specify a resource type as a separate argument when passing TYPE/NAME",
                Exit.USAGE,
            )
        pairs = [word.split("/", 1) for word in words]
        return [Target(resolve(api, kind), named(name)) for kind, name in pairs]
    if len(words) == 1:
        return [Target(_whole_kind(api, word)) for word in words[0].split(",")]
    kinds = [resolve(api, word) for word in words[0].split(",")]
    return [Target(kind, named(name)) for kind in kinds for name in words[1:]]


def _whole_kind(api: Api, word: str) -> Kind:
    """Return the kind that a word alone means; where it is the name of a run or a Flow, that is said."""
    try:
        return resolve(api, word)
    except CliError as error:
        found: Kind | None = None
        with suppress(CliError, paths.NotANameError):
            found = next((kind for kind in (FLOWRUN, FLOW) if word and api.find(kind.path(api.namespace, word))), None)
        if found is None:
            raise
        hint = f"there is a {found.kind} of this name: write {found.short}/{word}"
        raise CliError(f"{error} ({hint})", error.code) from None


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
            raise CliError(f"error: {word} is no FlowRun; this command is for FlowRuns only", Exit.USAGE)
        names.append(named(name if slash else word))
    return names


def run_name(word: str) -> str:
    """Read one FlowRun's name: `NAME` or `fr/NAME`.

    Raises:
        CliError: another kind was named.
    """
    return run_names([word])[0]


def named(name: str) -> str:
    """Return a name that was typed, if an object can have it."""
    try:
        paths.segment(name)
    except paths.NotANameError as error:
        raise CliError(f"error: {error}") from error
    return name
