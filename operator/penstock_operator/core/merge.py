"""Strategic merge of a pod template over a pod: what `kubectl patch` does with a PodSpec, as far as a template needs it.

Maps are merged, a null removes a key; containers are merged by name; other lists of named things (volumes, env, mounts, ports …) take the
template's item for theirs of the same key, since half a volume or half an env variable of each would be neither; all other lists are
replaced. `$patch: delete` in an item removes it, `$patch: replace` in a map replaces it. Rules: the patch strategies in Kubernetes' PodSpec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .faults import Unusable

_MERGED_BY = {"containers": "name", "initContainers": "name"}
_TAKEN_BY = {
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "schedulingGates": "name",
    "resourceClaims": "name",
}


def strategic_merge(base: Mapping[str, Any], patch: Mapping[str, Any], path: str = "template.spec") -> dict[str, Any]:
    """Return `base` with `patch` merged over it; neither is changed.

    Args:
        base: a PodSpec or a part of one.
        patch: the same, with null for what is to go.
        path: where `patch` stands, for the message.

    Raises:
        Unusable: a part of the patch is no map or list where a PodSpec has one.
    """
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    out = dict(base)
    for key, value in patch.items():
        here = f"{path}.{key}"
        mine = out.get(key)
        if value is None:
            out.pop(key, None)
        elif key in _MERGED_BY or key in _TAKEN_BY:
            out[key] = _merge_items(mine or (), value, key, here)
        elif isinstance(value, Mapping):
            if mine is not None and not isinstance(mine, Mapping):
                raise Unusable(f"{here} is a map where a pod has none")
            out[key] = strategic_merge(mine or {}, value, here)
        elif isinstance(mine, Mapping):
            raise Unusable(f"{here} must be a map, not {type(value).__name__}")
        else:
            out[key] = value
    return out


def _merge_items(mine: Sequence[Mapping[str, Any]], theirs: Any, field: str, path: str) -> list[dict[str, Any]]:
    key = _MERGED_BY.get(field) or _TAKEN_BY[field]
    if not isinstance(theirs, list):
        raise Unusable(f"{path} must be a list, not {type(theirs).__name__}")
    out = {item[key]: dict(item) for item in mine}
    for index, item in enumerate(theirs):
        here = f"{path}[{index}]"
        if not isinstance(item, Mapping):
            raise Unusable(f"{here} must be a map, not {type(item).__name__}")
        if not isinstance(item.get(key), str | int):
            raise Unusable(f"{here} has no {key}")
        name = item[key]
        if item.get("$patch") == "delete":
            out.pop(name, None)
        elif field in _MERGED_BY:
            out[name] = strategic_merge(out.get(name, {}), item, here)
        else:
            out[name] = {k: v for k, v in item.items() if v is not None}
    return list(out.values())
