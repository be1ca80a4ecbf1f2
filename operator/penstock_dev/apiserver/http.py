"""HTTP in, HTTP out: authentication, routing, and answers as JSON, tables or streams.

One catch-all route; the verbs do the work. Neighbours: `requests` reads, `verbs` and `watching` answer, `discovery` and `openapi`
describe. Every refusal leaves as a `Status`.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from penstock_operator.api.constants import GROUP

from . import podlog, reviews, selectors, watching
from .describing import JSON, Descriptions, as_json
from .requests import BODY_LIMIT, Answer, Target, delete_options, read_accept, read_body, read_path, write_options
from .status import ApiError, bad_request, invalid_options, no_such_path, out_of_bounds, required
from .tables import table
from .verbs import PATCH_TYPES, Verbs, WriteOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .admission import Admission
    from .authorization import Authorizer
    from .builtin import Builtin
    from .kinds import Registry, Resource
    from .logs import LogSource
    from .store import Object, Store
    from .tokens import Tokens, User

_log = logging.getLogger(__name__)


# What a real cluster has below built-in kinds and nobody here needs.
_OUT_OF_BOUNDS = frozenset(
    ("attach", "ephemeralcontainers", "eviction", "exec", "finalize", "portforward", "proxy", "resize", "scale")
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who sent it, and the warnings that go into its answer, whatever that is."""

    request: web.Request
    user: User
    warnings: list[str]


class Http:
    """The web application.

    Args:
        verbs: carries requests out.
        builtin: schemas of built-in kinds.
        tokens: authenticates.
        logs: where `pods/log` reads.
        clock: seconds since the epoch.
        random_timeout: seconds after which a watch without a timeout of its own ends.
        authorizer: decides who may do what; None: everybody may do everything.
        admission: the policies that are in force; None: none are.
    """

    def __init__(
        self,
        verbs: Verbs,
        builtin: Builtin,
        tokens: Tokens,
        logs: LogSource | None,
        clock: Callable[[], float],
        random_timeout: Callable[[], float],
        authorizer: Authorizer | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._authorizer = authorizer
        self._admission = admission
        self._verbs = verbs
        self._registry: Registry = verbs.registry
        self._store: Store = verbs.store
        self._tokens = tokens
        self._logs = logs
        self._clock = clock
        self._random_timeout = random_timeout
        self._watches: set[watching.Watch] = set()
        self._stopping = False
        self._descriptions = Descriptions(verbs.registry, builtin)
        self.app = web.Application(client_max_size=BODY_LIMIT)
        self.app.router.add_route("*", "/{path:.*}", self._handle)

    def end_streams(self) -> None:
        """End all watches and follows: the server stops."""
        self._stopping = True
        for watch in list(self._watches):
            watch.end()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        warnings: list[str] = []
        try:
            if request.path in ("/readyz", "/livez", "/healthz"):
                return web.Response(text="ok")
            user = self._tokens.authenticate(request.headers.get("Authorization", ""))
            return await self._route(Call(request, user, warnings))
        except ApiError as error:
            return _warned(as_json(error.body(), error.code), warnings)
        except web.HTTPRequestEntityTooLarge:
            text = f"Request entity too large: limit is {BODY_LIMIT}"
            return as_json(ApiError("RequestEntityTooLarge", text).body(), 413)
        except (ConnectionResetError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug must be an answer and a log line, not a hung client
            _log.exception("%s %s failed", request.method, request.path)
            text = f"Internal error occurred: {type(error).__name__}: {error}"
            return as_json(ApiError("InternalError", text).body(), 500)

    async def _route(self, call: Call) -> web.StreamResponse:
        request = call.request
        path = request.path.rstrip("/") or "/"
        if request.method in ("GET", "HEAD"):
            described = self._descriptions.answer(path, request.headers.get("Accept", ""))
            if described is not None:
                return described
        target = read_path(path)
        if target is None:
            raise no_such_path()
        if target.plural in reviews.KINDS:
            return await self._review(call, target)
        resource = self._registry.find(target.group, target.version, target.plural)
        if resource is None:
            raise no_such_path()
        if target.name and target.namespace == "" and resource.namespaced:
            raise no_such_path()
        if not resource.namespaced and target.namespace:
            raise no_such_path()
        if self._authorizer is not None:
            self._authorizer.authorize(call.user, request.method, request.query, target)
        if target.subresource:
            return await self._subresource(call, resource, target)
        if target.name:
            return await self._object(call, resource, target)
        return await self._collection(call, resource, target)

    async def _review(self, call: Call, target: Target) -> web.Response:
        if call.request.method != "POST":
            raise _no_method()
        body = read_body(await call.request.read(), call.request.headers.get("Content-Type", ""))
        return as_json(reviews.answer(target, body, call.user, self._authorizer), 201)

    # --- objects

    async def _collection(self, call: Call, resource: Resource, target: Target) -> web.StreamResponse:
        request = call.request
        method, query = request.method, request.query
        if method in ("GET", "HEAD"):
            answer = read_accept(request.headers.get("Accept", ""))
            matches = self._matches(resource, query)
            if query.get("watch") in ("true", "1"):
                return await self._watch(request, resource, target.namespace, matches, answer)
            return self._list(resource, target.namespace, matches, query, answer)
        if resource.namespaced and not target.namespace:
            raise _no_method()
        if method == "POST":
            options = self._write_options("CreateOptions", call, target)
            body = read_body(await request.read(), request.headers.get("Content-Type", ""))
            created = self._verbs.create(resource, target.namespace, body, options)
            return self._shown(call, resource, created, 201)
        if method == "DELETE" and "deletecollection" in resource.verbs:
            options_ = delete_options(query, await _optional_body(request))
            page = self._verbs.page(resource, target.namespace, self._matches(resource, query))
            for obj in page.items:
                meta = obj["metadata"]
                self._verbs.delete(resource, meta.get("namespace", ""), meta["name"], options_)
            return self._list(resource, target.namespace, None, {}, Answer(), page.items)
        raise _no_method()

    def _write_options(self, kind: str, call: Call, target: Target) -> WriteOptions:
        query, agent = call.request.query, call.request.headers.get("User-Agent", "")
        options = write_options(kind, query, agent, call.user.name, call.warnings)
        if self._admission is not None and target.group == GROUP:
            options.admit = partial(self._admission.check, call.user, target.namespace)
        return options

    def _matches(self, resource: Resource, query: Mapping[str, str]) -> selectors.Predicate | None:
        by_label = selectors.labels(query.get("labelSelector", ""))
        by_field = None
        if query.get("fieldSelector"):
            known = {"metadata.name": "metadata.name", **resource.selectable}
            if resource.namespaced:
                known["metadata.namespace"] = "metadata.namespace"
            by_field = selectors.fields(query["fieldSelector"], known)
        if by_label is None or by_field is None:
            return by_label or by_field
        return lambda obj: by_label(obj) and by_field(obj)

    def _list(
        self,
        resource: Resource,
        namespace: str,
        matches: selectors.Predicate | None,
        query: Mapping[str, str],
        answer: Answer,
        items: list[Object] | None = None,
    ) -> web.Response:
        self._check_version(query.get("resourceVersion", ""))
        if query.get("resourceVersionMatch") == "Exact" and query.get("resourceVersion") != str(self._store.version):
            raise out_of_bounds("a list as of an earlier resourceVersion")
        limit = query.get("limit", "0")
        meta: dict[str, Any] = {"resourceVersion": str(self._store.version)}
        if items is None:
            page = self._verbs.page(
                resource, namespace, matches, int(limit) if limit.isdigit() else 0, query.get("continue", "")
            )
            items = page.items
            if page.token:
                meta["continue"] = page.token
                if matches is None:
                    meta["remainingItemCount"] = page.remaining
        if resource.custom and answer.form == "plain":
            meta.setdefault("continue", "")
        if answer.form == "table":
            return as_json(table(resource, items, self._clock(), meta, query.get("includeObject", "Metadata")))
        if answer.form == "metadata":
            rows = [_metadata_only(obj) for obj in items]
            return as_json(
                {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": rows}
            )
        if resource.outbound:
            items = [resource.outbound(obj) for obj in items]
        if not resource.custom:
            items = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in items]
        return as_json(
            {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta, "items": items}
        )

    def _check_version(self, text: str) -> None:
        if text and not text.isdigit():
            raise bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
        if text and int(text) > self._store.version:
            cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            why = f"Timeout: Too large resource version: {text}, current: {self._store.version}"
            raise ApiError("Timeout", why, {"causes": [cause], "retryAfterSeconds": 1})

    async def _object(self, call: Call, resource: Resource, target: Target) -> web.StreamResponse:
        request = call.request
        method, query = request.method, request.query
        if method in ("GET", "HEAD"):
            self._check_version(query.get("resourceVersion", ""))
            return self._shown(call, resource, self._verbs.get(resource, target.namespace, target.name))
        if method == "DELETE":
            options = delete_options(query, await _optional_body(request))
            last, gone = self._verbs.delete(resource, target.namespace, target.name, options)
            if gone and not resource.strategy.returns_deleted:
                details: dict[str, Any] = {"name": target.name, "kind": resource.plural, "uid": last["metadata"]["uid"]}
                if resource.group:
                    details["group"] = resource.group
                return as_json(
                    {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
                )
            return self._shown(call, resource, last)
        return await self._change(call, resource, target)

    async def _change(self, call: Call, resource: Resource, target: Target) -> web.StreamResponse:
        request = call.request
        options = self._write_options("UpdateOptions" if request.method == "PUT" else "PatchOptions", call, target)
        media = request.headers.get("Content-Type", "")
        if request.method == "PUT":
            body = read_body(await request.read(), media)
            changed = self._verbs.update(resource, target.namespace, target.name, target.subresource, body, options)
            return self._shown(call, resource, changed)
        if request.method != "PATCH":
            raise _no_method()
        media = media.partition(";")[0].strip()
        offered = [m for m in PATCH_TYPES if not (resource.custom and "strategic" in m)]
        if media not in offered:
            raise ApiError(
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: "
                + ", ".join(offered),
            )
        if media == "application/apply-patch+yaml" and not request.query.get("fieldManager"):
            raise invalid_options("PatchOptions", required("fieldManager", "is required for apply patch"))
        body = read_body(await request.read(), media)
        changed, new = self._verbs.patch(
            resource, target.namespace, target.name, target.subresource, media, body, options
        )
        return self._shown(call, resource, changed, 201 if new else 200)

    async def _subresource(self, call: Call, resource: Resource, target: Target) -> web.StreamResponse:
        request = call.request
        if target.subresource not in resource.subresources:
            if not resource.custom and target.subresource in _OUT_OF_BOUNDS:
                raise out_of_bounds(f"{resource.plural}/{target.subresource}")
            raise no_such_path()
        if target.subresource == "status":
            if request.method in ("GET", "HEAD"):
                return self._shown(call, resource, self._verbs.get(resource, target.namespace, target.name))
            return await self._change(call, resource, target)
        if target.subresource == "log" and request.method == "GET":
            return await self._pod_log(request, resource, target)
        if target.subresource == "token" and request.method == "POST":
            body = read_body(await request.read(), request.headers.get("Content-Type", ""))
            made = self._tokens.request(target.namespace, target.name, body, self._verbs.random_name(16))
            return as_json(made, 201)
        if target.subresource == "binding" and request.method == "POST":
            body = read_body(await request.read(), request.headers.get("Content-Type", ""))
            self._verbs.bind(resource, target.namespace, target.name, body)
            return as_json(
                {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201
            )
        raise _no_method()

    def _shown(self, call: Call, resource: Resource, obj: Object, code: int = 200) -> web.Response:
        request = call.request
        answer = read_accept(request.headers.get("Accept", ""))
        shown: Any
        if answer.form == "table":
            meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            shown = table(resource, [obj], self._clock(), meta, request.query.get("includeObject", "Metadata"))
        elif answer.form == "metadata":
            shown = _metadata_only(obj)
        else:
            shown = resource.outbound(obj) if resource.outbound else obj
        return _warned(as_json(shown, code), call.warnings)

    # --- streams

    async def _watch(
        self,
        request: web.Request,
        resource: Resource,
        namespace: str,
        matches: selectors.Predicate | None,
        answer: Answer,
    ) -> web.StreamResponse:
        options = watching.read_options(request.query, self._random_timeout(), answer.form)
        response = web.StreamResponse(headers={"Content-Type": JSON})
        watch = watching.Watch(self._store, resource, namespace, matches, options, self._clock)
        self._watches.add(watch)
        try:
            async with aclosing(watch.lines()) as lines:
                await response.prepare(request)
                async for line in lines:
                    await response.write(line)
            await response.write_eof()
        finally:
            self._watches.discard(watch)
            watch.close()
        return response

    async def _pod_log(self, request: web.Request, resource: Resource, target: Target) -> web.StreamResponse:
        pod = self._verbs.get(resource, target.namespace, target.name)
        options = podlog.read_options(request.query, self._clock())
        container = podlog.chosen_container(pod, options.container)
        restart = podlog.chosen_instance(pod, container, options)
        if self._logs is None:
            raise out_of_bounds("pods/log without a node")

        uid = pod["metadata"]["uid"]

        def ended() -> bool:
            now = None if self._stopping else self._store.get(resource.storage, target.namespace, target.name)
            return podlog.has_ended(now, uid, container, restart)

        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)  # before the first line: a silent container's follower must not time out
        pieces = podlog.lines(uid, container, restart, options, self._logs, ended)
        async with aclosing(pieces) as stream:
            async for piece in stream:
                await response.write(piece)
        await response.write_eof()
        return response


async def _optional_body(request: web.Request) -> Any:
    data = await request.read()
    return read_body(data, request.headers.get("Content-Type", "")) if data else None


def _metadata_only(obj: Object) -> dict[str, Any]:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _warned(response: web.Response, warnings: list[str] | None) -> web.Response:
    for warning in warnings or ():
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{text}"')
    return response


def _no_method() -> ApiError:
    return ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource", {})
