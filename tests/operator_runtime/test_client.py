"""The client: errors with the server's words, retries, pages, tokens, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from penstock_operator.runtime.client import MOST_BYTES, PAGE, PAGE_BYTES, ApiClient
from penstock_operator.runtime.errors import ApiError, Cause
from penstock_operator.runtime.metrics import Metrics
from penstock_operator.runtime.resources import CONFIGMAPS, FLOWRUNS, PODS, Resource
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, refusal
from tests.support.runtimeobjects import pod
from tests.support.runtimerig import client, credentials

T = Any


def using(api: FakeApi, story: Callable[[ApiClient], Coroutine[Any, Any, T]], **more: Any) -> T:
    async def main() -> T:
        c = client(api, **more)
        try:
            return await story(c)
        finally:
            await c.close()

    return virtualtime.run(main)


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (PODS, (), "/api/v1/pods"),
        (PODS, ("ns",), "/api/v1/namespaces/ns/pods"),
        (FLOWRUNS, ("ns", "x"), "/apis/penstock.dev/v1alpha1/namespaces/ns/flowruns/x"),
        (FLOWRUNS, ("ns", "x", "status"), "/apis/penstock.dev/v1alpha1/namespaces/ns/flowruns/x/status"),
    ],
)
def test_paths(resource: Resource, arguments: tuple[str, ...], path: str) -> None:
    assert resource.path(*arguments) == path


def test_an_error_carries_what_the_server_said() -> None:
    api = FakeApi()
    cause = {"field": "spec.x", "reason": "FieldValueInvalid", "message": "no"}
    api.fail("create", "pods", refusal(422, "Invalid", "pod is invalid", causes=[cause]))

    async def story(c: ApiClient) -> None:
        with pytest.raises(ApiError) as caught:
            await c.create(PODS, "default", pod())
        error = caught.value
        assert (error.code, error.reason, error.message) == (422, "Invalid", "pod is invalid")
        assert error.causes == (Cause("spec.x", "FieldValueInvalid", "no"),)
        assert str(error) == "create pods default: pod is invalid"
        assert not error.transient

    using(api, story)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(429, "TooManyRequests", "slow down"),
        refusal(500, "InternalError", "oops"),
        refusal(503, "ServiceUnavailable", "away"),
        httpx.Response(502, text="<html>bad gateway</html>"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("Server disconnected"),
    ],
)
def test_what_may_heal_is_asked_again(answer: Any) -> None:
    api = FakeApi()
    api.put("pods", pod())
    api.fail("get", "pods", answer, answer)

    async def story(c: ApiClient) -> float:
        assert (await c.get(PODS, "default", "etl-1"))["kind"] == "Pod"
        return virtualtime.clock()

    assert using(api, story) == pytest.approx(0.3)
    assert len(api.requests) == 3


def test_not_for_ever() -> None:
    api = FakeApi()
    api.fail("get", "pods", *[refusal(500, "InternalError", "oops")] * 9)

    async def story(c: ApiClient) -> None:
        with pytest.raises(ApiError, match="oops"):
            await c.get(PODS, "default", "etl-1")

    using(api, story)
    assert len(api.requests) == 3


@pytest.mark.parametrize("code", [400, 403, 404, 409, 413, 422])
def test_what_will_not_heal_is_not(code: int) -> None:
    api = FakeApi()
    api.fail("get", "pods", *[refusal(code, "No", "no")] * 2)

    async def story(c: ApiClient) -> None:
        with pytest.raises(ApiError):
            await c.get(PODS, "default", "etl-1")

    using(api, story)
    assert len(api.requests) == 1


def test_retry_after_is_honoured() -> None:
    api = FakeApi()
    api.put("pods", pod())
    api.fail("get", "pods", refusal(429, "TooManyRequests", "slow down", retry_after=3))

    async def story(c: ApiClient) -> float:
        await c.get(PODS, "default", "etl-1")
        return virtualtime.clock()

    assert using(api, story) == 3.0


@pytest.mark.parametrize("where", ["header", "details"])
def test_a_long_retry_after_is_left_to_the_queue(where: str) -> None:
    """A worker must not sleep on it."""
    api = FakeApi()
    answer = (
        refusal(429, "TooManyRequests", "slow down", retry_after=60)
        if where == "header"
        else refusal(429, "TooManyRequests", "slow down", retryAfterSeconds=60)
    )
    api.fail("get", "pods", answer)

    async def story(c: ApiClient) -> None:
        with pytest.raises(ApiError) as caught:
            await c.get(PODS, "default", "etl-1")
        assert caught.value.retry_after == 60
        assert virtualtime.clock() == 0

    using(api, story)


def test_a_refused_token_is_read_anew_once() -> None:
    tokens = iter(["old", "new", "newest"])
    who = credentials(lambda: next(tokens))
    api = FakeApi()
    api.put("pods", pod())
    sent = []
    handle = api.handle

    def check(raw: httpx.Request) -> httpx.Response:
        sent.append(raw.headers["Authorization"])
        return handle(raw) if sent[-1] == "Bearer new" else refusal(401, "Unauthorized", "Unauthorized")

    api.handle = check  # type: ignore[method-assign]

    async def story(c: ApiClient) -> None:
        await c.get(PODS, "default", "etl-1")

    using(api, story, credentials=who)
    assert sent == ["Bearer old", "Bearer new"]


def test_a_token_that_stays_refused_is_an_error() -> None:
    api = FakeApi()
    api.fail("get", "pods", *[refusal(401, "Unauthorized", "Unauthorized")] * 9)

    async def story(c: ApiClient) -> None:
        with pytest.raises(ApiError, match="Unauthorized"):
            await c.get(PODS, "default", "etl-1")

    using(api, story)
    assert len(api.requests) == 2


def test_lists_come_in_pages() -> None:
    api = FakeApi(page=2)
    for number in range(5):
        api.put("pods", pod(f"p{number}", uid=f"u{number}"))
    api.put("pods", pod("other", uid="o", labels={}))

    async def story(c: ApiClient) -> None:
        listing = await c.list(PODS, label_selector="penstock.dev/flow-run-uid")
        assert [item["metadata"]["name"] for item in listing.items] == [f"p{n}" for n in range(5)]
        assert listing.resource_version == str(api.version)

    using(api, story)
    assert [r.query.get("continue") for r in api.requests] == [None, "2", "4"]


def limits(api: FakeApi) -> list[int]:
    return [int(r.query["limit"]) for r in api.requests]


def test_pages_have_what_fits_into_a_bound_of_bytes() -> None:
    """Many small objects, then some that are large: no page is much larger than meant, and none is missing."""
    api = FakeApi()
    for number in range(800):
        api.put("pods", pod(f"a{number:03}", uid=f"a{number}"))
    for number in range(30):
        api.put("pods", pod(f"b{number:03}", uid=f"b{number}", annotations={"much": "x" * (PAGE_BYTES // 2)}))
    sizes: list[tuple[int, int]] = []

    async def story(c: ApiClient) -> None:
        async for page in c.pages(PODS):
            sizes.append((len(page.items), page.size))

    using(api, story)
    assert sum(count for count, _ in sizes) == 830
    assert max(limits(api)) == PAGE, "small objects come by the hundred"
    assert max(count * size for count, size in sizes) <= MOST_BYTES
    assert len(sizes) < 40


def test_an_object_larger_than_a_page_comes_alone() -> None:
    api = FakeApi()
    for number in range(3):
        api.put("pods", pod(f"p{number}", uid=f"u{number}", annotations={"much": "x" * MOST_BYTES}))

    async def story(c: ApiClient) -> None:
        assert len((await c.list(PODS)).items) == 3

    using(api, story)
    assert limits(api)[-3:] == [1, 1, 1]


def test_a_list_that_took_too_long_is_begun_again() -> None:
    api = FakeApi(page=1)
    for number in range(2):
        api.put("pods", pod(f"p{number}", uid=f"u{number}"))
    gone = [refusal(410, "Expired", "the continue token is too old")]

    def expires(request: Any) -> httpx.Response | None:
        return gone.pop() if "continue" in request.query and gone else None

    api.faults.append(expires)

    async def story(c: ApiClient) -> None:
        assert len((await c.list(PODS)).items) == 2

    using(api, story)
    assert [r.query.get("continue") for r in api.requests] == [None, "1", None, "1"]


def test_requests_are_counted_by_verb_resource_and_code() -> None:
    api, metrics = FakeApi(), Metrics()
    api.fail("get", "configmaps", httpx.ConnectError("refused"))

    async def story(c: ApiClient) -> None:
        with pytest.raises(ApiError):
            await c.get(CONFIGMAPS, "default", "x")
        with pytest.raises(ApiError):
            await c.patch(FLOWRUNS, "default", "x", {}, sub="status")

    using(api, story, metrics=metrics)

    def count(verb: str, resource: str, code: str) -> float | None:
        labels = {"verb": verb, "resource": resource, "code": code}
        return metrics.registry.get_sample_value("penstock_api_requests_total", labels)

    assert count("get", "configmaps", "0") == 1
    assert count("get", "configmaps", "404") == 1
    assert count("patch", "flowruns/status", "404") == 1


def test_a_success_that_is_no_json_is_an_error() -> None:
    """A proxy's login page answers 200."""
    api = FakeApi()
    api.fail("get", "pods", httpx.Response(200, text="<html>please log in</html>"))

    async def story(c: ApiClient) -> None:
        with pytest.raises(ApiError, match="please log in"):
            await c.get(PODS, "default", "x")

    using(api, story)


def test_a_slow_plugin_does_not_hold_up_the_loop() -> None:
    """Credentials that may block are asked for in a thread."""
    import threading

    from penstock_operator.runtime.credentials import Credentials

    threads: list[str] = []

    def plugin() -> str:
        threads.append(threading.current_thread().name)
        return "token"

    who = Credentials(credentials().endpoint, plugin, clock=lambda: 0.0, blocking=True)
    api = FakeApi()
    api.put("pods", pod())

    async def main() -> None:
        c = client(api, credentials=who)
        await c.get(PODS, "default", "etl-1")
        await c.get(PODS, "default", "etl-1")
        await c.close()

    with asyncio.Runner() as runner:
        runner.run(main())
    assert len(threads) == 1
    assert threads[0] != threading.main_thread().name


def test_credentials_that_are_refused_are_known_until_they_are_accepted() -> None:
    """A request is repeated once with the token read anew; what fails then is not a matter of that request."""
    api = FakeApi()
    api.put("pods", pod())
    unauthorized = refusal(401, "Unauthorized", "Unauthorized")
    api.fail("get", "pods", unauthorized, unauthorized, unauthorized)

    async def story(c: ApiClient) -> None:
        with pytest.raises(ApiError):
            await c.get(PODS, "default", "etl-1")
        assert c.refused_since is not None
        await c.get(PODS, "default", "etl-1")  # refused once, and then accepted
        assert c.refused_since is None

    using(api, story)
