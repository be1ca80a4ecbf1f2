"""What Penstock needs of a pod, and what becomes of a template that wants it otherwise: it is told, with the place and what to do instead.

A field that is overruled without a word is found in production. Neighbours: `pod` puts what is kept over the merged spec; `policy` takes the
grace period from a template.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from typing import Any

from penstock_operator.api import constants as k
from penstock_operator.api.execution import EnvVar, Template

from .faults import Unusable
from .policy import LONGEST_GRACE

VOLUMES = (k.VOLUME_INTENT, k.VOLUME_FLOW, k.VOLUME_SCRATCH)
MOUNTS = (k.INTENT_DIR, k.FLOW_DIR, k.SCRATCH_DIR)

# Field of the pod: what it is in every pod of a run, and why. A template may say the same.
_POD: dict[str, tuple[Any, str]] = {
    "restartPolicy": ("Never", "a run's pod is one attempt; repeats are counted in runPolicy.retries"),
    "automountServiceAccountToken": (True, "the engine reports with the ServiceAccount's token"),
}
_LABELS: dict[str, tuple[Any, str]] = {
    k.LABEL_MANAGED_BY: (k.MANAGED_BY, "by it people and tools find the pods of runs"),
}
_ENGINE: dict[str, tuple[Any, str]] = {
    "terminationMessagePath": (k.TERMINATION_LOG, "the engine leaves its last word there"),
    "terminationMessagePolicy": ("File", "the engine leaves its last word in a file"),
}


def check_kept(template: Template, grace: int | None, names: Collection[str], whose: str) -> None:
    """Check that a template does not want what is kept to be otherwise.

    Args:
        template: a Flow's or a run's; its shape has been looked at.
        grace: `runPolicy.gracePeriodSeconds` that stands beside it.
        names: the variables that Penstock sets.
        whose: it is, for the message: flow or run.

    Raises:
        Unusable: it does; the message says where, and what to do.
    """
    if template.metadata is not None:
        place = f"template.metadata.labels ({whose})"
        _check_fields(template.metadata.labels or {}, _LABELS, place)
        for part in ("labels", "annotations"):
            for name in getattr(template.metadata, part) or ():
                if name.startswith(k.OWN_PREFIX):
                    place = f"template.metadata.{part} ({whose})"
                    raise Unusable(f"{place}: {name} is Penstock's own, as all under {k.OWN_PREFIX}: leave it out")
    spec, path = template.spec or {}, f"template.spec ({whose})"
    _check_fields(spec, _POD, path)
    _check_grace(spec.get("terminationGracePeriodSeconds"), grace, path)
    for index, volume in enumerate(spec.get("volumes") or ()):
        if volume.get("name") in VOLUMES:
            raise Unusable(f"{path}.volumes[{index}]: {volume['name']} is Penstock's own: name yours otherwise")
    for index, container in enumerate(spec.get("containers") or ()):
        if container.get("name") == k.ENGINE_CONTAINER:
            _check_engine(container, names, f"{path}.containers[{index}]")


def check_env(env: Collection[EnvVar], names: Collection[str], whose: str) -> None:
    """Check the shortcut `env` for variables that Penstock sets.

    Raises:
        Unusable: there is one.
    """
    _check_names([variable.name for variable in env], names, f"env ({whose})")


def _check_fields(given: Mapping[str, Any], kept: Mapping[str, tuple[Any, str]], path: str) -> None:
    for name, (value, why) in kept.items():
        if given.get(name) is not None and given[name] != value:
            shown = str(value).lower() if isinstance(value, bool) else value
            raise Unusable(f"{path}.{name} is {shown} in every run's pod ({why}): leave it out")


def _check_grace(wanted: Any, grace: int | None, path: str) -> None:
    place = f"{path}.terminationGracePeriodSeconds"
    if wanted is None:
        return
    if not 0 <= wanted <= LONGEST_GRACE:
        raise Unusable(
            f"{place} is {wanted}: a run's grace is 0 to {LONGEST_GRACE} s, as in runPolicy.gracePeriodSeconds"
        )
    if grace is not None and grace != wanted:
        raise Unusable(f"{place} is {wanted}, and runPolicy.gracePeriodSeconds beside it {grace}: say it once")


def _check_engine(container: Mapping[str, Any], names: Collection[str], path: str) -> None:
    _check_fields(container, _ENGINE, path)
    _check_names([variable.get("name") for variable in container.get("env") or ()], names, f"{path}.env")
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        place = mount.get("mountPath")
        if mount.get("name") in VOLUMES or (place and posixpath.normpath(place) in MOUNTS):
            shown = mount["name"] if mount.get("name") in VOLUMES else place
            raise Unusable(f"{path}.volumeMounts[{index}]: {shown} is Penstock's own: mount yours elsewhere")


def _check_names(given: Collection[str | None], names: Collection[str], path: str) -> None:
    for index, name in enumerate(given):
        if name in names:
            raise Unusable(f"{path}[{index}]: Penstock sets {name} itself: leave it out")
