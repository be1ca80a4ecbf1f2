"""Every place that builds a path of the Kubernetes API: one on each side of the fence, and nobody else.

Found in the code itself: a new f-string that writes such a path turns this red, wherever it is.
"""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import web

from penstock.kube import paths as engine_paths
from penstock_operator.api import paths
from penstock_operator.runtime.resources import WATCHED

ROOT = Path(__file__).parents[2]
# Who writes or reads such texts, on how many lines, and why.
PLACES = {
    "operator/penstock_operator/api/paths.py": (2, "the operator's side: every path is built here"),
    "engine/penstock/kube/paths.py": (4, "the engine's side: every path is built here"),
    "operator/penstock_operator/runtime/session.py": (1, "reads the namespace out of a path that kopf has built"),
    "operator/penstock_operator/api/admission.py": (1, "a resource and its subresource, as policies write them"),
    "operator/penstock_operator/runtime/rights.py": (3, "a resource and its subresource, as RBAC writes them"),
    "operator/penstock_dev/apiserver/openapi.py": (2, "describes the paths that the embedded server serves"),
    "operator/penstock_dev/apiserver/describing.py": (4, "answers for the paths that the embedded server serves"),
    "operator/penstock_dev/apiserver/protobuf.py": (1, "an apiVersion and a kind"),
    "engine/penstock/pod/claim.py": (4, "JSON pointers"),
    "engine/penstock/pod/environment.py": (2, "a file"),
    "engine/penstock/kube/access.py": (2, "files"),
    "operator/penstock_ui/pages/__init__.py": (1, "addresses of the page itself"),
    "operator/penstock_ui/pages/flow.py": (3, "addresses of the page itself"),
    "operator/penstock_ui/pages/flows.py": (1, "addresses of the page itself"),
    "operator/penstock_cli/versions.py": (1, "all Deployments: no name is in it"),
}
# The beginning of a path, a namespace inside of one, or a resource behind a variable.
WRITES = re.compile(
    r"^/apis?(/|$)|(^|/)namespaces/"
    r"|^/(status|log|binding|token|scale|exec|eviction|flowruns|flows|pods|configmaps|secrets|events|leases|nodes|serviceaccounts)(/|$)"
)
ASKS = {"request", "get", "find", "lines", "watch", "patch", "post", "put", "delete", "stream", "send", "_insist"}


def _texts(node: ast.AST) -> Iterator[str]:
    """The texts that an expression is put together from."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield from _texts(part)
    elif isinstance(node, ast.BinOp):
        yield from _texts(node.left)
        yield from _texts(node.right)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("join", "format"):
        yield from _texts(node.func.value)


def writes_a_path(source: str) -> list[int]:
    """The lines on which a path is written: a text that looks like one, or a request whose path is put together on the spot."""
    tree = ast.parse(source)
    documentation = {
        id(body[0].value)
        for node in ast.walk(tree)
        if isinstance(body := getattr(node, "body", None), list) and body and isinstance(body[0], ast.Expr)
    }
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            if WRITES.search(node.value):
                found.add(node.lineno)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKS:
            for argument in node.args:
                parts = list(_texts(argument)) if not isinstance(argument, ast.Constant) else []
                if any("/" in part for part in parts):
                    found.add(argument.lineno)
    return sorted(found)


def test_nobody_else_builds_a_path() -> None:
    """And each place in the list is needed."""
    files = sorted([*(ROOT / "engine").rglob("*.py"), *(ROOT / "operator").rglob("*.py")])
    assert len(files) > 200, "the code is found at all"
    found = {
        name: lines
        for file in files
        if (lines := writes_a_path(file.read_text())) and (name := str(file.relative_to(ROOT)))
    }
    new = {name: lines for name, lines in found.items() if len(lines) > PLACES.get(name, (0, ""))[0]}
    assert new == {}, "take it from `paths` instead"
    gone = {name for name, (number, _) in PLACES.items() if len(found.get(name, ())) < number}
    assert gone == set(), "in the list, and writes fewer by now"


@pytest.mark.parametrize(
    "snippet",
    [
        'url = f"/api/v1/namespaces/{ns}/pods/{name}"',
        'url = "/apis/" + group + "/v1"',
        'url = f"{base}/namespaces/{ns}/pods"',
        'url = f"{pod}/status"',
        'url = "/".join(["/apis", group])',
        'client.get(f"{collection}/{name}")',
        'client.request("GET", collection + "/" + name)',
        'client.patch("%s/%s" % (collection, name), operations)',
        'client.find("/".join((collection, name)))',
        'client.find("{}/{}".format(collection, name))',
    ],
)
def test_a_new_place_is_found(snippet: str) -> None:
    """In whatever way it is written."""
    assert writes_a_path(snippet) == [1]


def test_what_is_no_path_is_left_alone() -> None:
    assert writes_a_path('"""Reads /api/v1/pods."""\nmessage = f"{namespace}/{name} is gone"\nheaders.get("a/b")') == []


ODD = ["a/b", "../x", "a/../../other/configmaps/x", ".", "..", "", "a%2Fb", "%2e%2e", "/"]
PLAIN = [
    "etl",
    "etl.v1",
    "system:node",
    "a?watch=true",
    "a#b",
    "a b",
    "a\nb",
    "ä",
    "a;b",
    "a\\..\\b",
    "\ud800",
    "a&b=c",
    "..a",
    "+",
]


@pytest.mark.parametrize("name", ODD)
def test_what_no_object_can_be_called_is_refused(name: str) -> None:
    """On both sides of the fence, in every part of a path."""
    core = ("", "v1", "pods")
    for arguments in (
        (*core, "default", name),
        (*core, name),
        (*core, "default", "a", name),
        (name, "v1"),
        ("g", name),
    ):
        if arguments != ("", "v1"):  # the core group, whose name is empty
            with pytest.raises(paths.NotANameError):
                paths.path(*arguments)
    for namespace, run in (("default", name), (name, "etl")):
        with pytest.raises(engine_paths.NotANameError):
            engine_paths.flow_run_status(namespace, run)


@pytest.mark.parametrize("name", PLAIN)
def test_every_other_name_is_one_segment(name: str) -> None:
    """Both sides write it alike."""
    assert paths.segment(name) == engine_paths.segment(name)
    assert not set(paths.segment(name)) & set("/?#\\ \n;&=")
    for resource in WATCHED:
        assert resource.path("default", name).count("/") == resource.path("default", "x").count("/")


async def _arrive(wanted: list[str], *, asynchronous: bool) -> list[str]:
    """Send requests for these names as our clients do, and return what arrived at a server as the last segment."""
    arrived: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        raw = request.raw_path
        assert "?" not in raw, "a name became a query"
        assert raw.startswith("/api/v1/namespaces/default/configmaps/")
        arrived.append(request.path.rsplit("/", 1)[1])
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    urls = [paths.path("", "v1", "configmaps", "default", name) for name in wanted]
    try:
        if asynchronous:
            async with aiohttp.ClientSession() as session:
                for url in urls:
                    async with session.get(base + url, params={}) as reply:
                        assert reply.status == 200
        else:
            with httpx.Client(base_url=base, trust_env=False) as client:
                for url in urls:
                    assert (await asyncio.to_thread(client.get, url)).status_code == 200
    finally:
        await runner.cleanup()
    return arrived


@pytest.mark.parametrize("library", ["aiohttp", "httpx"])
def test_libraries_send_what_was_escaped(library: str) -> None:
    """aiohttp and httpx both write URLs anew: a name still arrives as it was."""
    names = [name for name in PLAIN if name.isprintable()]
    assert asyncio.run(_arrive(names, asynchronous=library == "aiohttp")) == names


def test_the_operator_asks_nothing_for_what_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client answers by itself that there is no such object."""
    from penstock_operator.runtime.client import ApiClient
    from penstock_operator.runtime.errors import ApiError
    from penstock_operator.runtime.resources import CONFIGMAPS

    client: Any = object.__new__(ApiClient)
    with pytest.raises(ApiError, match="may not contain '/'") as refused:
        asyncio.run(client.get(CONFIGMAPS, "default", "../other/configmaps/x"))
    assert (refused.value.code, refused.value.reason) == (404, "NotFound")
