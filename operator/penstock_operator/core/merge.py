"""Strategic merge of a pod template over a pod: what `kubectl patch --type=strategic` does with a PodSpec.

Maps are merged, a null removes a key; lists are merged or replaced as `podspec` says for the place where they stand; the directives `$patch`,
`$retainKeys`, `$setElementOrder` and `$deleteFromPrimitiveList` mean what they mean to kubectl. Three things are done otherwise, since kubectl's
result would be lost or refused: of several items with one port number or address none is merged into the other; one way of saying a thing
takes the place of another (`valueFrom` of `value`, a volume's new source of its old one); variables keep an order in which `$(NAME)` is seen.
Neighbours: `shapes` has looked at the template before, `envorder` orders variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock_operator.api.podspec import POD_SPEC, Field, Listed, Object, Pairs

from .envorder import Placed, in_order_of_references
from .shapes import ORDER, PATCH, REMOVE, RETAIN, check_shape, identity, may_repeat

# Of these fields a server takes one; None: of all of the type's but its name.
_ALTERNATIVES: dict[str, frozenset[str] | None] = {
    "EnvVar": frozenset({"value", "valueFrom"}),
    "EnvVarSource": None,
    "Volume": None,
    "Probe": frozenset({"exec", "grpc", "httpGet", "tcpSocket"}),
    "LifecycleHandler": None,
}
_NO_FIELDS: Mapping[str, Field] = {}


def strategic_merge(
    base: Mapping[str, Any], patch: Mapping[str, Any], path: str = "template.spec", field: Field = POD_SPEC
) -> dict[str, Any]:
    """Return `base` with `patch` merged over it; neither is changed.

    Args:
        base: a PodSpec or a part of one.
        patch: the same, with null for what is to go.
        path: where `patch` stands, for the message.
        field: what the two are.

    Raises:
        Unusable: the patch has not the shape of a PodSpec.
    """
    check_shape(patch, field, path)
    return _merge_map(base, patch, field)


def _merge_map(base: Mapping[str, Any], patch: Mapping[str, Any], field: Field | None) -> dict[str, Any]:
    if patch.get(PATCH) == "delete":
        return {}
    if patch.get(PATCH) == "replace":
        return _merge_map({}, {key: value for key, value in patch.items() if key != PATCH}, field)
    out = _kept_of(base, patch, field)
    for key, value in patch.items():
        if key.startswith(REMOVE):
            name = key.removeprefix(REMOVE)
            if name in out:
                out[name] = [item for item in out[name] if item not in value]
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            out.pop(key, None)
        else:
            out[key] = _merge_value(out.get(key), value, _below(field, key), patch.get(f"{ORDER}{key}"))
    for key, value in patch.items():
        name = key.removeprefix(ORDER)
        if name != key and name in out and name not in patch:
            below = _below(field, name)
            if isinstance(below, Listed):
                out[name] = _ordered([Placed(item, i, None) for i, item in enumerate(out[name])], value, below)
    return out


def _kept_of(base: Mapping[str, Any], patch: Mapping[str, Any], field: Field | None) -> dict[str, Any]:
    """Return what the patch lets stand of a map, before it is merged over it."""
    if RETAIN in patch:
        return {key: value for key, value in base.items() if key in patch[RETAIN]}
    if isinstance(field, Object) and field.type in _ALTERNATIVES:
        alternatives = _ALTERNATIVES[field.type] or frozenset(field.fields) - {"name"}
        chosen = {key for key in alternatives if patch.get(key) is not None}
        if chosen:
            return {key: value for key, value in base.items() if key not in alternatives or key in chosen}
    return dict(base)


def _merge_value(mine: Any, theirs: Any, field: Field | None, order: Any) -> Any:
    if isinstance(theirs, Mapping):
        return _merge_map(mine if isinstance(mine, Mapping) else {}, theirs, field)
    if isinstance(theirs, list) and isinstance(field, Listed) and field.merge is not None:
        before = mine if isinstance(mine, list) else []
        if not field.merge:
            return list(dict.fromkeys([*before, *theirs]))
        placed = _merge_items(before, theirs, field)
        return _ordered(placed, order, field) if order is not None else [entry.item for entry in _sorted(placed, field)]
    return _taken(theirs, field)


def _below(field: Field | None, key: str) -> Field | None:
    if isinstance(field, Pairs):
        return field.value
    return field.fields.get(key) if isinstance(field, Object) else None


def _taken(value: Any, field: Field | None) -> Any:
    """Return what a patch brings where nothing was: without directives, and without what it wants to have removed."""
    if isinstance(value, Mapping):
        return _merge_map({}, value, field)
    if not isinstance(value, list):
        return value
    if isinstance(field, Listed) and field.merge:
        return [entry.item for entry in _sorted(_merge_items([], value, field), field)]
    item = field.item if isinstance(field, Listed) else None
    return [_taken(each, item) for each in value]


# --- lists that are merged ----------------------------------------------------------------------------------------------------------------


def _merge_items(mine: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]], field: Listed) -> list[Placed]:
    """Return the items of both lists, those of the patch in its order, and behind them those that it does not name."""
    assert field.merge
    gone = {item[field.merge] for item in theirs if item.get(PATCH) == "delete"}
    if any(item.get(PATCH) == "replace" for item in theirs):
        mine = ()
    before = [(index, item) for index, item in enumerate(mine) if item.get(field.merge) not in gone]
    brought = [item for item in theirs if PATCH not in item]
    left, out = list(before), []
    for place, item in enumerate(brought):
        met = _counterpart(item, left, brought, field)
        if met is not None:
            left.remove(met)
        out.append(Placed(_merge_map(met[1] if met else {}, item, field.item), met[0] if met else None, place))
    return [*out, *(Placed(dict(item), index, None) for index, item in left)]


def _counterpart(
    item: Mapping[str, Any],
    left: Sequence[tuple[int, Mapping[str, Any]]],
    brought: Sequence[Mapping[str, Any]],
    field: Listed,
) -> tuple[int, Mapping[str, Any]] | None:
    """Return the item that is meant: the one of that merge key; where several have it, the one that is the same in all keys."""
    name = field.merge or ""
    same = [entry for entry in left if entry[1].get(name) == item[name]]
    if may_repeat(field) and (len(same) > 1 or sum(other[name] == item[name] for other in brought) > 1):
        same = [entry for entry in same if identity(entry[1], field) == identity(item, field)]
    return same[0] if same else None


def _sorted(placed: Sequence[Placed], field: Listed) -> list[Placed]:
    """Return the items in kubectl's order: the patch's in its own, the others in theirs, and before those that they stood before."""
    first = [entry for entry in placed if entry.patched is not None]
    rest = [entry for entry in placed if entry.patched is None]
    out = _interleaved(first, rest)
    variables = isinstance(field.item, Object) and field.item.type == "EnvVar"
    return in_order_of_references(out) if variables else out


def _ordered(placed: Sequence[Placed], order: Sequence[Any], field: Listed) -> list[Any]:
    """Return the items as `$setElementOrder` wants them; those that it does not name keep their places among them."""
    names = [item[field.merge] if field.merge else item for item in order]

    def named(entry: Placed) -> Any:
        return entry.item.get(field.merge) if field.merge else entry.item

    first = sorted((entry for entry in placed if named(entry) in names), key=lambda entry: names.index(named(entry)))
    rest = [entry for entry in placed if named(entry) not in names]
    rest.sort(key=lambda entry: (entry.before is None, entry.before or 0))
    return [entry.item for entry in _interleaved(first, rest)]


def _interleaved(first: Sequence[Placed], rest: Sequence[Placed]) -> list[Placed]:
    out: list[Placed] = []
    waiting = list(rest)
    for entry in first:
        while (
            waiting and entry.before is not None and waiting[0].before is not None and waiting[0].before < entry.before
        ):
            out.append(waiting.pop(0))
        out.append(entry)
    return [*out, *waiting]
