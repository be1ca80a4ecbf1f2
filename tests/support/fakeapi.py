"""A small API server in memory, in place of the network: enough of Kubernetes' manners for the operator's requests.

Versions grow with every write and are shared by all kinds; status is a subresource of flowruns; merge patches honour resourceVersion and
uid; deletes honour preconditions; lists are paged. Tests put faults in its way (`fail`), and read what was asked (`requests`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from penstock_operator.runtime.wire import Answer, NoAnswerError, TooMuchError
from tests.support.copies import copied

Name = tuple[str, str, str]  # plural, namespace, name


@dataclass(frozen=True)
class Request:
    """What was asked."""

    verb: str
    resource: str  # with the subresource
    namespace: str
    name: str
    body: Any
    query: dict[str, str]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.verb, self.resource, self.name)))


def refusal(code: int, reason: str, message: str, *, retry_after: int | None = None, **details: Any) -> httpx.Response:
    """Return a `Status` that is no success."""
    body = {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return httpx.Response(code, json=body, headers=headers)


@dataclass
class FakeApi:
    """The server. `page` bounds the size of list answers."""

    page: int = 500
    version: int = 100
    objects: dict[Name, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    faults: list[Callable[[Request], httpx.Response | None]] = field(default_factory=list)
    after: Callable[[Request], None] | None = None  # called behind each success: what happens meanwhile
    _uid: int = 0

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        content: bytes | None,
        most: int = 0,
    ) -> Answer:
        """Be a `Wire`: answer as a server would."""
        raw = httpx.Request(method, f"http://api{path}", params=dict(query), headers=dict(headers), content=content)
        try:
            answer = self.handle(raw)
        except httpx.TransportError as error:
            raise NoAnswerError(type(error).__name__, str(error)) from error
        if most and len(answer.content) > most:
            raise TooMuchError
        return Answer(answer.status_code, answer.headers, answer.content)

    async def close(self) -> None:
        """Nothing is open."""

    def put(self, plural: str, body: dict[str, Any], namespace: str = "default") -> dict[str, Any]:
        """Store an object as it is, as somebody else would, and return it with its metadata."""
        body = copied(body)
        meta = body.setdefault("metadata", {})
        meta["namespace"] = namespace
        self.version += 1
        meta["resourceVersion"] = str(self.version)
        if "uid" not in meta:
            self._uid += 1
            meta["uid"] = f"uid-{self._uid}"
        self.objects[(plural, namespace, meta["name"])] = body
        return copied(body)

    def change(self, plural: str, name: str, patch: dict[str, Any], namespace: str = "default") -> dict[str, Any]:
        """Change an object, as somebody else would."""
        return self.put(plural, _merged(self.objects[(plural, namespace, name)], patch), namespace)

    def remove(self, plural: str, name: str, namespace: str = "default") -> dict[str, Any]:
        """Delete an object, as somebody else would, and return its last sight."""
        found = self.objects.pop((plural, namespace, name))
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        return copied(found)

    def get(self, plural: str, name: str, namespace: str = "default") -> dict[str, Any]:
        """Return a copy of an object."""
        return copied(self.objects[(plural, namespace, name)])

    def fail(self, verb: str, resource: str, *answers: httpx.Response | Exception) -> None:
        """Answer the next requests of this kind so, one each."""
        left = list(answers)

        def fault(request: Request) -> httpx.Response | None:
            if not left or (request.verb, request.resource) != (verb, resource):
                return None
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.faults.append(fault)

    def asked(self, *verbs: str) -> list[str]:
        """Return the requests so far, in words; of the verbs given, or all."""
        return [str(r) for r in self.requests if not verbs or r.verb in verbs]

    def handle(self, raw: httpx.Request) -> httpx.Response:
        request = _parsed(raw)
        self.requests.append(request)
        for fault in self.faults:
            answer = fault(request)
            if answer is not None:
                return answer
        answer = getattr(self, f"_{request.verb}")(request)
        if self.after is not None:
            self.after(request)
        assert isinstance(answer, httpx.Response)
        return answer

    def _find(self, request: Request) -> dict[str, Any] | None:
        return self.objects.get((request.resource.partition("/")[0], request.namespace, request.name))

    def _get(self, request: Request) -> httpx.Response:
        found = self._find(request)
        return _missing(request) if found is None else httpx.Response(200, json=found)

    def _list(self, request: Request) -> httpx.Response:
        items = [
            o
            for (plural, namespace, _), o in sorted(self.objects.items())
            if plural == request.resource and request.namespace in ("", namespace) and _selected(o, request.query)
        ]
        begin = int(request.query.get("continue", 0))
        end = begin + min(self.page, int(request.query.get("limit", self.page)))
        meta: dict[str, Any] = {"resourceVersion": str(self.version)}
        if end < len(items):
            meta["continue"] = str(end)
        return httpx.Response(200, json={"metadata": meta, "items": items[begin:end]})

    def _create(self, request: Request) -> httpx.Response:
        name = request.body["metadata"]["name"]
        if (request.resource, request.namespace, name) in self.objects:
            return refusal(409, "AlreadyExists", f'{request.resource} "{name}" already exists')
        return httpx.Response(201, json=self.put(request.resource, request.body, request.namespace))

    def _update(self, request: Request) -> httpx.Response:
        found = self._find(request)
        if found is None:
            return _missing(request)
        wanted = request.body["metadata"].get("resourceVersion")
        if wanted is not None and wanted != found["metadata"]["resourceVersion"]:
            return _stale(request)
        body = {**request.body, "metadata": {**found["metadata"], **request.body["metadata"]}}
        return httpx.Response(200, json=self.put(request.resource, body, request.namespace))

    def _patch(self, request: Request) -> httpx.Response:
        plural, _, sub = request.resource.partition("/")
        found = self._find(request)
        if found is None:
            return _missing(request)
        meta = request.body.get("metadata") or {}
        if meta.get("resourceVersion", found["metadata"]["resourceVersion"]) != found["metadata"]["resourceVersion"]:
            return _stale(request)
        if meta.get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            return refusal(422, "Invalid", "metadata.uid: field is immutable")
        patch = {"status": request.body.get("status")} if sub else request.body
        patched = _merged(found, patch)
        if patched == found:
            return httpx.Response(200, json=found)
        return httpx.Response(200, json=self.put(plural, patched, request.namespace))

    def _delete(self, request: Request) -> httpx.Response:
        found = self._find(request)
        if found is None:
            return _missing(request)
        for name, value in (request.body.get("preconditions") or {}).items():
            if found["metadata"][name] != value:
                return refusal(409, "Conflict", f"Precondition failed: {name}")
        if request.resource == "pods" and (found.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            mark = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
            return httpx.Response(200, json=self.put("pods", _merged(found, mark), request.namespace))
        return httpx.Response(200, json=self.remove(request.resource, request.name, request.namespace))


def _parsed(raw: httpx.Request) -> Request:
    parts = raw.url.path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    verb = {"GET": "get" if name else "list", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    resource = "/".join((parts[0], *parts[2:]))
    body = json.loads(raw.content) if raw.content else None
    return Request(verb[raw.method], resource, namespace, name, body, dict(raw.url.params))


def _merged(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    result = copied(old)
    _merge(result, patch)
    return result


def _merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    for name, value in patch.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict):
            if not isinstance(into.get(name), dict):
                into[name] = {}
            _merge(into[name], value)
        else:
            into[name] = value


def _selected(found: dict[str, Any], query: dict[str, str]) -> bool:
    labels = found["metadata"].get("labels") or {}
    for part in filter(None, query.get("labelSelector", "").split(",")):
        name, equals, value = part.partition("=")
        if (labels.get(name) != value) if equals else (name not in labels):
            return False
    for part in filter(None, query.get("fieldSelector", "").split(",")):
        path, value = part.replace("!=", "=").split("=")
        if (_at(found, path) == value) is ("!=" in part):
            return False
    return True


def _at(found: Any, path: str) -> Any:
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return "" if found is None else found


def _missing(request: Request) -> httpx.Response:
    return refusal(404, "NotFound", f'{request.resource} "{request.name}" not found', name=request.name)


def _stale(request: Request) -> httpx.Response:
    words = "the object has been modified; please apply your changes to the latest version and try again"
    return refusal(409, "Conflict", f'Operation cannot be fulfilled on {request.resource} "{request.name}": {words}')
