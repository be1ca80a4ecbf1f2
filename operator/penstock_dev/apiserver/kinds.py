"""What a served kind is: names, schema, columns, selectable fields, and the strategy with its own behaviour.

Built-in kinds are listed in `builtin`, custom ones are made by `crds`. The registry is the one place that changes while the server
runs: kinds come and go with their CustomResourceDefinitions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .names import subdomain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .schema import Schema
    from .status import FieldError
    from .store import Object, Store

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column: `cell(object, now)` gives the value; priority 0 is always shown, 1 with `-o wide`."""

    name: str
    cell: Callable[[Mapping[str, Any], float], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Env:
    """What a strategy may use besides the object."""

    store: Store
    now: str  # RFC 3339, seconds
    seconds: float
    random_name: Callable[[int], str]
    user: str = ""


class Strategy:
    """The behaviour of a kind beyond its schema; the base class is right for a kind that is only stored."""

    counts_generations = False  # metadata.generation is kept
    returns_deleted = False  # a completed DELETE answers the object, not a Status
    unconditional_update = True  # PUT without a resourceVersion is allowed
    graceful = False  # objects leave with a deletionTimestamp, whatever their grace
    checks_schema = False  # required fields and formats of the schema are checked (custom resources: always)

    def name_error(self, name: str) -> str:
        """Return why a name is not allowed, "" when it is."""
        return subdomain(name)

    def create(self, obj: Object, env: Env) -> Object:
        """Return the object with the kind's defaults, before validation."""
        return obj

    def update(self, new: Object, old: Object, subresource: str, env: Env) -> Object:
        """Return the new object with what may not change put back, before validation."""
        return new

    def admit(self, obj: Object, env: Env) -> None:
        """Refuse a creation for reasons outside the object, by raising ApiError."""

    def admit_delete(self, obj: Object) -> None:
        """Refuse a deletion, by raising ApiError."""

    def deleting(self, obj: Object) -> Object:
        """Return the object as it is from its first DELETE on, when it does not go at once."""
        return obj

    def held(self, obj: Object) -> bool:
        """Tell whether the kind itself keeps a deleted object, besides finalizers and grace."""
        return False

    def validate(self, new: Object, old: Object | None, subresource: str) -> list[FieldError]:
        """Return what is wrong with the object; `old` is None on creation."""
        return []

    def grace(self, obj: Object, asked: int | None) -> int:
        """Return how many seconds a deleted object stays; 0: it goes at once."""
        return 0


@dataclass(frozen=True, slots=True)
class Resource:
    """A served kind in one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    schema: Schema
    strategy: Strategy
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name → verbs
    columns: tuple[Column, ...] = ()
    selectable: Mapping[str, str] = field(default_factory=dict)
    bucket: str = ""
    custom: bool = False
    list_kind: str = ""
    inbound: Callable[[Object], Object] | None = None  # to the stored form, where two kinds share a store
    outbound: Callable[[Object], Object] | None = None

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def storage(self) -> str:
        """The bucket of the store."""
        return self.bucket or f"{self.plural}.{self.group}"

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own subresource only."""
        return "status" in self.subresources


class Registry:
    """The kinds that are served now."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self.changes = 0  # counts additions and removals; caches of discovery and OpenAPI compare it

    def add(self, resource: Resource) -> None:
        """Serve a kind, in place of the one of the same path."""
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self.changes += 1

    def remove(self, group: str, version: str, plural: str) -> None:
        """Stop serving a kind."""
        self._by_path.pop((group, version, plural), None)
        self.changes += 1

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Return the kind of a path."""
        return self._by_path.get((group, version, plural))

    def by_bucket(self, bucket: str) -> Resource | None:
        """Return a kind stored in a bucket (the first one: it stands for the stored form)."""
        return next((r for r in self._by_path.values() if r.storage == bucket), None)

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the kind that an ownerReference names; any version of its group will do."""
        group = api_version.rpartition("/")[0]
        return next((r for r in self._by_path.values() if r.group == group and r.kind == kind), None)

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_path.values()))
