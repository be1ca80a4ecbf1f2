"""Requests that get their answer: repeated while the API server is away, busy or restarting, within a patience.

What is asked here may be repeated: reads, merge patches, deletes, and creations of objects whose name says whose they are (an
"already exists" behind a lost answer is for the caller to tell apart). Neighbours: `client` sends one request; `watching` follows
objects; `workers` lends threads.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from penstock.kube.access import Access
from penstock.kube.backoff import delay
from penstock.kube.client import JSON, JSON_PATCH, Answer, KubeClient
from penstock.kube.errors import ApiError, NoAccessError

Object = dict[str, Any]

REQUEST_SECONDS = 15.0
CONNECT_SECONDS = 3.0
FIRST_PATIENCE = 10.0  # until the server was reached once: it may be a wrong address
PATIENCE = 120.0  # afterwards: an upgrade of a control plane takes a minute
LIST_PAGE = 500
# An API server that starts refuses what it grants a moment later: it has not read its roles yet (seen: 0.4 s after its first answer).
SETTLING_SECONDS = 10.0
FIRST_SETTLING = 1.0  # of one that was never seen away: who lacks a right shall know it soon
_SETTLING_STEP = 0.5
_UNAUTHORIZED_TRIES = 3
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
_AGAIN = (408, 429, 500, 502, 503, 504)


class Cluster:
    """An API server that is asked until it answers. Threads may share it.

    Args:
        access: The way there.
        client: Who sends; default: a new one.
        clock: Monotonic seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        access: Access,
        client: KubeClient | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.access = access
        self.client = client or KubeClient(access.server, access.token, access.trust, access.proxy)
        self.reached = False
        self._settling: float | None = FIRST_SETTLING  # seconds from its next answer on; None: it has answered
        self._settled_at = 0.0
        self._clock = clock
        self._sleep = sleep
        self._prepared = threading.Lock()

    @property
    def patience(self) -> float:
        """Seconds for which a request is repeated that gets no answer."""
        return PATIENCE if self.reached or self.access.in_pod else FIRST_PATIENCE

    def heard(self, status: int) -> None:
        """Take note of an answer: 0 and 502 to 504 mean that the server is away, or no further than its start."""
        if status in (0, 502, 503, 504):
            if self.reached:
                self._settling = SETTLING_SECONDS
            return
        self.reached = True
        if self._settling is not None:
            self._settled_at, self._settling = self._clock() + self._settling, None

    def too_early(self, status: int, message: str) -> bool:
        """Whether a refusal is no evidence yet of a missing right, because the server has come (back) a moment ago.

        A policy's or a quota's word is final: it says nothing of what one cannot do to a resource.
        """
        refused = status == 401 or (status == 403 and " cannot " in message and " resource " in message)
        return refused and (self._settling is not None or self._clock() < self._settled_at)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """Read an object, or one page of a list.

        Raises:
            ApiError: It was refused (404: there is none), or not answered for too long.
        """
        return self._ask("GET", path, query=query)

    def list(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[Object]:
        """Read a list page by page; each page is given as it comes.

        Raises:
            ApiError: As for `get`; 410: the list changed for too long, begin again.
        """
        asked = {"limit": str(LIST_PAGE), **(query or {})}
        while True:
            page = self.get(path, asked)
            yield page
            follows = (page.get("metadata") or {}).get("continue")
            if not follows:
                return
            asked = {**asked, "continue": follows}

    def create(self, path: str, body: Mapping[str, Any]) -> Object:
        """Create an object; repeated, so that 409 AlreadyExists may be the answer to a creation of one's own.

        Raises:
            ApiError: It was refused, or not answered for too long.
        """
        return self._ask("POST", path, body=body, query={"fieldManager": "penstock", "fieldValidation": "Strict"})

    def patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> Object:
        """Change an object by a JSON patch.

        Raises:
            ApiError: It was refused, or not answered for too long.
        """
        return self._ask("PATCH", path, body=operations, content_type=JSON_PATCH, query={"fieldManager": "penstock"})

    def delete(self, path: str) -> Object:
        """Delete an object.

        Raises:
            ApiError: It was refused, or not answered for too long.
        """
        return self._ask("DELETE", path)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Object:
        began, failures, refused = self._clock(), 0, 0
        while True:
            try:
                answer = self.client.request(
                    method,
                    path,
                    REQUEST_SECONDS,
                    query=query,
                    body=body,
                    content_type=content_type,
                    connect=CONNECT_SECONDS,
                )
            except NoAccessError as error:
                raise ApiError(0, "NoAccess", str(error)) from error
            self.heard(answer.status)
            if 200 <= answer.status < 300:
                return dict(answer.body)
            early = self.too_early(answer.status, answer.message)
            if early or (answer.status == 401 and refused < _UNAUTHORIZED_TRIES):
                refused += 1
                if answer.status == 401:
                    # The token may have been replaced, or expired.
                    self.client.forget_token()
                self._sleep(min(_SETTLING_STEP, delay(refused, random.random())))
                continue
            if answer.status and answer.status not in _AGAIN:
                raise refusal(answer)
            if _UNTRUSTED in answer.problem:
                raise self._untrusted(answer)  # the certificates of both sides stay what they are
            failures += 1
            wait = delay(failures, random.random(), answer.retry_after)
            if self._clock() + wait - began > self.patience:
                raise self._gave_up(answer, self._clock() - began)
            self._sleep(wait)

    def _untrusted(self, answer: Answer) -> ApiError:
        where = f" ({self.access.source})" if self.access.source else ""
        return ApiError(
            0,
            "Untrusted",
            f"the API server {self.access.server}{where} has a certificate that is not trusted: {answer.problem}",
        )

    def _gave_up(self, answer: Answer, seconds: float) -> ApiError:
        if answer.status:
            return refusal(answer)
        where = f" ({self.access.source})" if self.access.source else ""
        return ApiError(
            0,
            "Unreachable",
            f"the API server {self.access.server}{where} could not be reached for {seconds:.0f} s: {answer.problem}",
        )


def refusal(answer: Answer) -> ApiError:
    """Give what an answer that is no success says."""
    details = answer.body.get("details")
    return ApiError(
        answer.status,
        str(answer.body.get("reason") or ""),
        answer.message,
        details if isinstance(details, Mapping) else None,
    )
