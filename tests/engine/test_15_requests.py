"""15. Requests of `penstock.flow_runs` by themselves: what a refusal means of a server that has just started. In virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock.kube.access import Access
from penstock.kube.client import Answer, KubeClient, Trust
from penstock.kube.cluster import Cluster
from penstock.kube.credentials import FixedToken
from penstock.kube.errors import ApiError


def refusals_until(moment: float, code: int, message: str) -> Callable[[float], Answer]:
    return lambda now: Answer(code, {"message": message}) if now < moment else Answer(200, {"kind": "FlowRun"})


ROLE = 'flowruns.penstock.dev "a" is forbidden: User "flows" cannot get resource "flowruns"'


@pytest.mark.parametrize(
    ("said", "first", "seconds", "error"),
    [
        pytest.param(refusals_until(0.4, 403, ROLE), [], 1.2, None, id="a pod that begins while the server starts"),
        pytest.param(refusals_until(99, 403, ROLE), [], 2, ROLE, id="a missing right is known within two seconds"),
        pytest.param(refusals_until(99, 403, "quota"), [], 0, "quota", id="a quota is known at once"),
        pytest.param(refusals_until(99, 403, ROLE), [200, 5], 0, ROLE, id="a right that was taken away"),
        pytest.param(refusals_until(8, 403, ROLE), [200, 0], 9, None, id="a server that is back"),
        pytest.param(refusals_until(8, 401, "who"), [200, 503], 9, None, id="and does not know tokens yet"),
        pytest.param(refusals_until(999, 401, "who"), [200, 503], 25, "who", id="a token that is none any more"),
    ],
)
def test_a_refusal_of_a_server_that_has_just_started_is_no_evidence(
    said: Callable[[float], Answer], first: list[int], seconds: float, error: str | None
) -> None:
    """`first`: answers before, of which 5 stands for five seconds that pass."""
    now = 0.0
    before = list(first)

    class Scripted(KubeClient):
        def request(self, *_: Any, **__: Any) -> Answer:
            nonlocal now
            now += 0.001
            return Answer(before.pop(0)) if before else said(now)

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    access = Access("https://127.0.0.1:1", "default", FixedToken("t"), Trust())
    made = Cluster(access, Scripted("", access.token, ""), clock=lambda: now, sleep=sleep)
    if before:
        assert made.get("/") == {}
    if 5 in before:
        before.remove(5)
        now += 5
    began = now
    if error is None:
        assert made.get("/") == {"kind": "FlowRun"}
    else:
        with pytest.raises(ApiError, match=error):
            made.get("/")
    assert now - began <= seconds + 0.01
