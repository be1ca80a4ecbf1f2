"""A pod's volumes as folders.

Three sorts: folders that are only made (emptyDir, a claim), folders that exist (hostPath), and files written from the API server's
objects or the pod's own (`atomic.py`), which follow changes until the pod ends. A volume that cannot be set up yet raises `Missing`
and is tried again by the pod's worker, which tells so in an Event.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import atomic, downward
from .sources import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .client import Json
    from .downward import Host
    from .sources import Bundle, Sources

__all__ = ["ACCOUNT_PATH", "Volumes", "with_account_volume"]

ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_ACCOUNT_VOLUME = "penstock-dev-api-access"
_WRITTEN = ("configMap", "secret", "downwardAPI", "projected")
# A token is renewed when a fifth of its life is left, as a kubelet does.
_RENEW_AFTER = 0.8


def with_account_volume(pod: Json) -> Json:
    """Return the pod with the ServiceAccount's volume mounted, as an API server's admission adds it where that is switched on."""
    spec = pod["spec"]
    if spec.get("automountServiceAccountToken") is False:
        return pod
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    if all(any(m["mountPath"] == ACCOUNT_PATH for m in c.get("volumeMounts") or []) for c in containers):
        return pod
    volume = {
        "name": _ACCOUNT_VOLUME,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
            ]
        },
    }

    def mounted(container: Json) -> Json:
        mounts = container.get("volumeMounts") or []
        if any(m["mountPath"] == ACCOUNT_PATH for m in mounts):
            return container
        return {**container, "volumeMounts": [*mounts, {"name": _ACCOUNT_VOLUME, "mountPath": ACCOUNT_PATH}]}

    changed = {key: [mounted(c) for c in spec[key]] for key in ("initContainers", "containers") if spec.get(key)}
    return {**pod, "spec": {**spec, **changed, "volumes": [*(spec.get("volumes") or []), volume]}}


@dataclass(slots=True)
class _Written:
    """What was fetched for a written volume, and until when it need not be fetched again."""

    bundles: dict[str, Bundle]
    tokens: dict[str, tuple[str, float]]


class Volumes:
    """The volumes of one pod.

    Args:
        root: the pod's folder; each volume is one below it.
        claims: folder of what outlives pods, one below it a claim.
        sources: where ConfigMaps, Secrets and tokens come from.
        host: what the downward API tells of the node.
    """

    def __init__(self, root: Path, claims: Path, sources: Sources, host: Host) -> None:
        self._root = root
        self._claims = claims
        self._sources = sources
        self._host = host
        self._written: dict[str, _Written] = {}
        self._paths: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """Return the folder (a file, for some hostPaths) of a volume that was set up."""
        return self._paths[name]

    async def set_up(self, pod: Json, volume: Mapping[str, Any], now: float) -> None:
        """Make a volume ready. Raises Missing when something that it needs does not exist yet."""
        name = volume["name"]
        if any(kind in volume for kind in _WRITTEN):
            await self._write(pod, volume, now, fetch=True)
            return
        self._paths[name] = self._folder(pod, volume)

    def _folder(self, pod: Json, volume: Mapping[str, Any]) -> Path:
        """Return the folder of a volume that is not written by the node."""
        if "hostPath" in volume:
            path = Path(str(volume["hostPath"]["path"]))
            kind = volume["hostPath"].get("type") or ""
            if kind == "DirectoryOrCreate":
                path.mkdir(parents=True, exist_ok=True)
            elif kind and not path.exists():
                raise Missing(f"hostPath type check failed: {path} is not a {kind.lower()}")
            return path
        if "persistentVolumeClaim" in volume:
            path = self._claims / str(pod["metadata"]["namespace"]) / str(volume["persistentVolumeClaim"]["claimName"])
        elif "emptyDir" in volume or set(volume) == {"name"}:
            path = self._root / str(volume["name"])
        else:
            kind = next(key for key in volume if key != "name")
            raise Missing(f"penstock dev has no volumes of the kind {kind}")
        path.mkdir(parents=True, exist_ok=True)
        return path

    async def refresh(self, pod: Json, now: float, *, fetch: bool) -> None:
        """Bring the written volumes up to date with the pod, and with `fetch` also with ConfigMaps, Secrets and expiring tokens."""
        for volume in pod["spec"].get("volumes") or []:
            if volume["name"] in self._written:
                await self._write(pod, volume, now, fetch=fetch)

    async def _write(self, pod: Json, volume: Mapping[str, Any], now: float, *, fetch: bool) -> None:
        name = volume["name"]
        state = self._written.get(name) or _Written({}, {})
        kind = next(key for key in _WRITTEN if key in volume)
        parts = volume[kind].get("sources") or [] if kind == "projected" else [volume]
        mode = volume[kind].get("defaultMode", 0o644)
        files: dict[str, atomic.File] = {}
        for part in parts:
            for path, content, own in await self._part(pod, part, state, now, fetch=fetch):
                files[path] = atomic.File(content, mode if own is None else own)
        path = self._root / name
        atomic.write(path, files)
        self._written[name] = state
        self._paths[name] = path

    async def _part(
        self, pod: Json, part: Mapping[str, Any], state: _Written, now: float, *, fetch: bool
    ) -> list[tuple[str, bytes, int | None]]:
        """Return path, content and own mode of the files of one source."""
        if "downwardAPI" in part:
            return [
                (i["path"], self._own(pod, i).encode(), i.get("mode")) for i in part["downwardAPI"].get("items") or []
            ]
        if "serviceAccountToken" in part:
            wanted = part["serviceAccountToken"]
            value, renew = state.tokens.get(wanted["path"], ("", 0.0))
            if now >= renew and (fetch or not value):
                token = await self._sources.token(
                    pod, wanted.get("audience"), int(wanted.get("expirationSeconds") or 3600)
                )
                value = token.value
                state.tokens[wanted["path"]] = (value, now + token.seconds * _RENEW_AFTER)
            return [(wanted["path"], value.encode(), 0o600)]
        for kind, singular, name_key in (("configMap", "configmap", "name"), ("secret", "secret", "secretName")):
            if kind in part:
                source = part[kind]
                # A projected source names a Secret by `name`, a volume of its own by `secretName`.
                name = source.get(name_key) or source.get("name") or ""
                return await self._bundle(pod, f"{singular}/{name}", source, state, fetch=fetch)
        kind = next((key for key in part if key != "name"), "nothing")
        raise Missing(f"penstock dev cannot project {kind}")

    async def _bundle(
        self, pod: Json, key: str, source: Mapping[str, Any], state: _Written, *, fetch: bool
    ) -> list[tuple[str, bytes, int | None]]:
        singular, _, name = key.partition("/")
        optional = bool(source.get("optional"))
        bundle = state.bundles.get(key)
        if bundle is None or (fetch and not bundle.immutable):
            read = self._sources.config_map if singular == "configmap" else self._sources.secret
            try:
                bundle = await read(pod["metadata"]["namespace"], name)
            except Missing:
                # Deleted while the pod runs: a kubelet leaves the files as they are.
                if bundle is None and not optional:
                    raise
            if bundle is None:
                return []
            state.bundles[key] = bundle
        if not source.get("items"):
            return [(path, content, None) for path, content in bundle.data.items()]
        files = []
        for item in source["items"]:
            if item["key"] in bundle.data:
                files.append((item["path"], bundle.data[item["key"]], item.get("mode")))
            elif not optional:
                raise Missing(f"references non-existent {singular} key: {item['key']}")
        return files

    def _own(self, pod: Json, item: Mapping[str, Any]) -> str:
        if reference := item.get("fieldRef"):
            return downward.field(pod, self._host, reference["fieldPath"])
        wanted = item["resourceFieldRef"]
        return downward.resource(
            pod, self._host, wanted.get("containerName", ""), wanted["resource"], str(wanted.get("divisor") or "1")
        )
