"""Who may do what: RBAC, by the Roles and bindings that this server stores, for everybody but its administrator.

What `penstock dev` stores of them from its start (`penstock_dev.subjects`) is made of the same table as the chart's, so that operator and pods are
refused here what a cluster refuses them; what users add counts as in a cluster. Read once for each user, and again after a change: a request costs
a look into a dict. Not here: aggregation, and the rule that nobody grants what they lack. Neighbours: `http` asks for each request, `admission` for
the rights that policies ask for, `reviews` for who asks what they may.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from .status import forbidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .requests import Target
    from .store import Change, Object, Store
    from .tokens import User

__all__ = ["Authorizer", "verb_of"]

_ADMINISTRATORS = "system:masters"
_GROUP = "rbac.authorization.k8s.io"
_ROLES, _CLUSTER_ROLES = f"roles.{_GROUP}", f"clusterroles.{_GROUP}"
_BINDINGS, _CLUSTER_BINDINGS = f"rolebindings.{_GROUP}", f"clusterrolebindings.{_GROUP}"
_BUCKETS = frozenset((_ROLES, _CLUSTER_ROLES, _BINDINGS, _CLUSTER_BINDINGS))
_EVERYWHERE = ""

# (group, resource, verb) → the names that it is limited to; None: it is not.
_Rights = dict[tuple[str, str, str], frozenset[str] | None]


class Authorizer:
    """Answers by what the store holds now.

    Args:
        store: where Roles and bindings are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, tuple[str, ...]], dict[str, _Rights]] = {}
        store.listen(self._changed)

    def allows(self, user: User, verb: str, group: str, resource: str, namespace: str = "", name: str = "") -> bool:
        """Whether a user may do this.

        Args:
            user: who asks.
            verb: get, list, watch, create and so on; or one that only policies know.
            group: the API group, "" for the core.
            resource: its plural name, with a subresource behind a slash.
            namespace: where; "" for all of them, and for what is in none.
            name: of the object; "" for none in particular.
        """
        if _ADMINISTRATORS in user.groups:
            return True
        key = (user.name, user.groups)
        rights = self._known.get(key)
        if rights is None:
            rights = self._known[key] = self._rights(user)
        places = (_EVERYWHERE, namespace) if namespace else (_EVERYWHERE,)
        return any(_grants(rights[place], verb, group, resource, name) for place in places if place in rights)

    def authorize(self, user: User, method: str, query: Mapping[str, str], target: Target) -> None:
        """Refuse a request that its user may not make.

        Raises:
            ApiError: 403, in the words of a cluster.
        """
        resource = "/".join(filter(None, (target.plural, target.subresource)))
        verb = verb_of(method, query, one=bool(target.name))
        namespace = target.name if (target.group, target.plural) == ("", "namespaces") else target.namespace
        if self.allows(user, verb, target.group, resource, namespace, target.name):
            return
        where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
        why = f'User "{user.name}" cannot {verb} resource "{resource}" in API group "{target.group}"{where}'
        raise forbidden(target.group, target.plural, target.name, why)

    def _changed(self, change: Change) -> None:
        if change.bucket in _BUCKETS:
            self._known.clear()

    def _rights(self, user: User) -> dict[str, _Rights]:
        found: dict[str, _Rights] = defaultdict(dict)
        for bucket in (_CLUSTER_BINDINGS, _BINDINGS):
            for binding in self._store.objects(bucket):
                if _names(binding, user):
                    _add(found[binding["metadata"].get("namespace", _EVERYWHERE)], self._rules(binding))
        return dict(found)

    def _rules(self, binding: Object) -> Iterable[dict[str, Any]]:
        """The rules that a binding gives; none while there is no such role."""
        reference, namespace = binding["roleRef"], binding["metadata"].get("namespace", "")
        of_cluster = reference["kind"] == "ClusterRole"
        role = self._store.get(
            _CLUSTER_ROLES if of_cluster else _ROLES, "" if of_cluster else namespace, reference["name"]
        )
        return (role or {}).get("rules") or ()


def verb_of(method: str, query: Mapping[str, str], *, one: bool) -> str:
    """Return the verb of a request, as RBAC names it."""
    if method in ("GET", "HEAD"):
        return "get" if one else "watch" if query.get("watch") in ("true", "1") else "list"
    if method == "DELETE":
        return "delete" if one else "deletecollection"
    return {"POST": "create", "PUT": "update"}.get(method, "patch")


def _names(binding: Object, user: User) -> bool:
    """Whether a user is among the subjects of a binding."""
    for subject in binding.get("subjects") or ():
        name = subject["name"]
        if subject["kind"] == "Group" and name in user.groups:
            return True
        if subject["kind"] == "ServiceAccount":
            namespace = subject.get("namespace") or binding["metadata"].get("namespace", "")
            name = f"system:serviceaccount:{namespace}:{name}"
        if subject["kind"] != "Group" and name == user.name:
            return True
    return False


def _add(rights: _Rights, rules: Iterable[dict[str, Any]]) -> None:
    for rule in rules:
        names = frozenset(rule.get("resourceNames") or ()) or None
        for right in _triples(rule):
            before = rights.get(right, frozenset())
            rights[right] = None if names is None or before is None else before | names


def _triples(rule: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    return (
        (group, resource, verb)
        for group in rule.get("apiGroups") or ()
        for resource in rule.get("resources") or ()
        for verb in rule["verbs"]
    )


def _grants(rights: _Rights, verb: str, group: str, resource: str, name: str) -> bool:
    """Whether one of the rights covers it; a star covers all, `*/status` that subresource of all."""
    _, slash, subresource = resource.partition("/")
    for resource_ in (resource, f"*/{subresource}", "*") if slash else (resource, "*"):
        for group_ in (group, "*"):
            for verb_ in (verb, "*"):
                names = rights.get((group_, resource_, verb_), frozenset())
                if names is None or name in names:
                    return True
    return False
