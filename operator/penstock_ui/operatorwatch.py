"""The operators of a cluster while somebody looks at them, read as that person: Lease, Deployment, and metrics through the API server's proxy.

What the person may not read is said, and nothing else is concluded from it. Lists of all namespaces are asked for first; who may not is
answered for the namespace that the chart is installed into by its README, and for their own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from penstock_operator.api.constants import LEASE_NAME
from penstock_operator.runtime import errors
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.resources import LEASES, PODS
from penstock_reading.operators import Reading, read_metrics

from .pool import Bell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .client import Client

__all__ = ["Operator", "OperatorWatch"]

_SECONDS: Final = 5.0
_USUAL: Final = "penstock-system"
_OURS: Final = "app.kubernetes.io/name=penstock,app.kubernetes.io/component=operator"
_HEALTH_PORT: Final = 8080
_MOST: Final = 6
_LONGEST: Final = 4 * 2**20  # bytes of metrics


@dataclass(slots=True)
class Operator:
    """One pod of an operator.

    Attributes:
        namespace: where it is.
        name: of the pod.
        phase: of the pod.
        image: that it runs.
        before: its metrics a while ago.
        now: its metrics; None: they cannot be read.
        trouble: why.
    """

    namespace: str
    name: str
    phase: str
    image: str
    before: Reading | None = None
    now: Reading | None = None
    trouble: str = ""


@dataclass(slots=True)
class OperatorWatch:
    """See the module.

    Attributes:
        leases: of operators.
        operators: their pods.
        troubles: what cannot be read, and why.
        read: set when everything was asked for.
        bell: rings after each look.
    """

    client: Client
    clock: Callable[[], float]
    leases: Sequence[Mapping[str, Any]] = ()
    operators: list[Operator] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    read: asyncio.Event = field(default_factory=asyncio.Event)
    bell: Bell = field(default_factory=Bell)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._look()
            self.read.set()
            self.bell.ring()
            await asyncio.sleep(_SECONDS)

    async def _look(self) -> None:
        troubles: list[str] = []
        self.leases = await self._listed(
            "Leases", LEASES.path, {"fieldSelector": f"metadata.name={LEASE_NAME}"}, self.leases, troubles
        )
        found = await self._listed("Pods of operators", PODS.path, {"labelSelector": _OURS}, (), troubles)
        known = {(each.namespace, each.name): each for each in self.operators}
        operators = []
        for pod in sorted(found, key=lambda pod: str(pod["metadata"]["name"]))[:_MOST]:
            made = _operator(pod)
            if (before := known.get((made.namespace, made.name))) is not None:
                made.before, made.now = before.before, before.now
            operators.append(made)
        await asyncio.gather(*map(self._metrics, operators))
        self.operators, self.troubles = operators, troubles

    async def _listed(
        self,
        what: str,
        where: Callable[[str | None], str],
        query: Mapping[str, str],
        before: Sequence[Mapping[str, Any]],
        troubles: list[str],
    ) -> Sequence[Mapping[str, Any]]:
        try:
            return (await self.client.get(where(None), query)).get("items") or ()
        except ApiError as error:
            if error.code != errors.FORBIDDEN:
                troubles.append(f"{what} are not known: {error.message}")
                return before
        found: list[Mapping[str, Any]] = []
        for namespace in dict.fromkeys((_USUAL, self.client.namespace)):
            try:
                found += (await self.client.get(where(namespace), query)).get("items") or ()
            except ApiError as error:
                troubles.append(f"{what} of the namespace {namespace} are not known: {error.message}")
        return found

    async def _metrics(self, operator: Operator) -> None:
        if operator.phase != "Running":
            operator.trouble = f"its pod is {operator.phase}"
            return
        sub = f"{PODS.path(operator.namespace, operator.name)}:{_HEALTH_PORT}/proxy/metrics"
        lines: list[str] = []
        size = 0
        try:
            async for line in self.client.lines(sub, {}, quiet=_SECONDS):
                lines.append(line.decode("utf-8", "replace"))
                size += len(line)
                if size > _LONGEST:
                    break
            reading = read_metrics("\n".join(lines) + "\n", self.clock())
        except (ApiError, ValueError) as error:
            operator.trouble = error.message if isinstance(error, ApiError) else f"they are no metrics: {error}"
            operator.before = operator.now = None
            return
        operator.before, operator.now, operator.trouble = operator.now, reading, ""


def _operator(pod: Mapping[str, Any]) -> Operator:
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    images = [str(each.get("image") or "") for each in spec.get("containers") or ()]
    phase = str((pod.get("status") or {}).get("phase") or "")
    return Operator(str(metadata.get("namespace") or ""), str(metadata["name"]), phase, next(iter(images), ""))
