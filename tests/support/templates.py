"""Pairs of a PodSpec and a template over it, made from a seed, for the comparison with kubectl.

What is made has no two ways of saying one thing and no `$(NAME)` (there the operator's merge means to differ), and is otherwise as mixed as
templates are: lists of every merge key, lists that are replaced, nulls, and every directive that kubectl knows.
"""

from __future__ import annotations

import random
from typing import Any

from penstock_operator.api.podspec import POD_SPEC, Field, Listed, Object, Pairs, Plain

JSON = dict[str, Any]
_NAMES = ("engine", "proxy", "cache", "env", "ports", "volumes")
# Types below these would only make the documents long, and hold nothing that is merged.
_SKIPPED = {
    "ephemeralContainers", "ephemeral", "affinity", "managedFields", "lifecycle", "livenessProbe", "readinessProbe",
    "startupProbe", "schedulingGroup", "hostnameOverride", "resources", "resourceClaims", "valueFrom", "restartPolicyRules",
}  # fmt: skip
_SOURCES = ("emptyDir", "configMap", "hostPath")


class Templates:
    """Makes PodSpecs and templates.

    Args:
        seed: the same one makes the same.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pod(self) -> JSON:
        """Return a PodSpec without directives and nulls."""
        return self._object(POD_SPEC, directives=False, depth=0)

    def template(self) -> JSON:
        """Return a template for one."""
        return self._object(POD_SPEC, directives=True, depth=0)

    def _object(self, field: Object, *, directives: bool, depth: int) -> JSON:
        names = [name for name in field.fields if name not in _SKIPPED]
        if field.type == "Volume":
            names = ["name", self._random.choice(_SOURCES[:1])]
        chosen = self._random.sample(names, min(len(names), self._random.randint(2, 6) if depth else 9))
        if depth == 0:
            chosen = sorted({*chosen, "containers", "volumes", "nodeSelector", "securityContext"})
        out: JSON = {}
        for name in chosen:
            if directives and depth and name != "name" and self._random.random() < 0.15:
                out[name] = None
                continue
            below = field.fields[name]
            value = self._value(below, directives=directives, depth=depth + 1)
            if value is not None:
                out[name] = value
            if directives and isinstance(below, Listed) and below.merge and self._random.random() < 0.2:
                # With deletions beside it kubectl sorts by a list that it has overwritten meanwhile.
                plain = [item for item in value if "$patch" not in item]
                if plain:
                    out[name], out[f"$setElementOrder/{name}"] = plain, self._order(plain, below.merge)
        if directives and depth and field.type != "Volume" and self._random.random() < 0.12:
            # Where nothing was, kubectl loses what stands beside `$patch: replace`: only in what every pod here has.
            if field.type == "PodSecurityContext" and self._random.random() < 0.7:
                out = {"$patch": "replace", **{k: v for k, v in out.items() if v is not None}}
            else:
                out["$retainKeys"] = [name for name, value in out.items() if value is not None]
        return out

    def _value(self, field: Field, *, directives: bool, depth: int) -> Any:
        match field:
            case Plain(kind):
                return self._plain(kind)
            case Pairs():
                names = self._random.sample(_NAMES, 2)
                out = {name: self._value(field.value, directives=False, depth=depth + 1) for name in names}
                if directives and self._random.random() < 0.4:
                    out[self._random.choice(_NAMES)] = None
                return out
            case Object():
                return self._object(field, directives=directives, depth=depth) if depth < 6 else None
            case Listed():
                return self._list(field, directives=directives, depth=depth)
        raise AssertionError(field)

    def _list(self, field: Listed, *, directives: bool, depth: int) -> list[Any] | None:
        if field.merge is None:
            return [self._value(field.item, directives=False, depth=depth + 1) for _ in range(2)]
        if not field.merge:
            return self._random.sample(_NAMES, 2)
        assert isinstance(field.item, Object)
        numbers = field.merge == "containerPort"
        keys: list[Any] = self._random.sample(
            [80, 443, 5353, 8080] if numbers else list(_NAMES), self._random.randint(1, 3)
        )
        out = []
        for key in keys:
            if directives and self._random.random() < 0.15:
                out.append({field.merge: key, "$patch": "delete"})
                continue
            item = self._object(field.item, directives=directives, depth=depth + 1)
            item.pop("$retainKeys", None)
            item.pop("$patch", None)
            out.append({**{k: v for k, v in item.items() if k not in field.keys}, field.merge: key})
        if directives and self._random.random() < 0.12:
            out.insert(self._random.randint(0, len(out)), {"$patch": "replace"})
        return out

    def _order(self, items: list[JSON], key: str) -> list[JSON]:
        """Return an order for a list: what the patch brings, and names that it does not bring among them."""
        names = [item[key] for item in items]
        others = [80, 5353] if key == "containerPort" else list(_NAMES[:3])
        for other in others:
            if other not in names:
                names.insert(self._random.randint(0, len(names)), other)
        return [{key: name} for name in names]

    def _plain(self, kind: str) -> Any:
        if kind == "boolean":
            return self._random.random() < 0.5
        if kind in ("integer", "number"):
            return self._random.randint(1, 99)
        return self._random.choice(_NAMES)


def pairs(seed: int, patches: int, bases: int) -> list[tuple[JSON, list[JSON]]]:
    """Return templates, each with PodSpecs that it is to be laid over: as kubectl takes them, one template and many documents."""
    made = Templates(seed)
    return [(made.template(), [made.pod() for _ in range(bases)]) for _ in range(patches)]


def without_nothing(value: Any) -> Any:
    """Return a value without nulls and directives: what kubectl leaves in where nothing was, and no server takes for anything."""
    if isinstance(value, dict):
        return {k: without_nothing(v) for k, v in value.items() if v is not None and not k.startswith("$")}
    if isinstance(value, list):
        return [without_nothing(v) for v in value if not (isinstance(v, dict) and "$patch" in v)]
    return value
