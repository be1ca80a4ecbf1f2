"""The embedded API server in a thread of its own, and a plain client that works for every API server alike."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from penstock_dev.apiserver.logs import LogSource
from penstock_dev.apiserver.server import ApiServer


@dataclass(frozen=True)
class Answer:
    """What a server said: code, JSON (or text under `text`), headers."""

    code: int
    body: dict[str, Any]
    headers: httpx.Headers

    def __getitem__(self, path: str) -> Any:
        """Return the value at a dotted path of the body; numbers index lists."""
        value: Any = self.body
        for name in path.split("."):
            value = value[int(name)] if isinstance(value, list) else value[name]
        return value

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


class Client:
    """Requests with a bearer token."""

    def __init__(self, url: str, token: str, ca: str | Path) -> None:
        context = (
            ssl.create_default_context(cafile=str(ca))
            if isinstance(ca, Path)
            else ssl.create_default_context(cadata=ca)
        )
        self.http = httpx.Client(
            base_url=url, verify=context, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def call(self, method: str, path: str, body: Any = None, media: str = "application/json", **headers: str) -> Answer:
        """Send a request; a body that is no text is sent as JSON. Header names are given with underscores."""
        content = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is not None:
            sent["Content-Type"] = media
        answer = self.http.request(method, path, content=content, headers=sent)
        try:
            found = answer.json()
        except ValueError:
            found = {"text": answer.text}
        return Answer(answer.status_code, found, answer.headers)

    @contextmanager
    def watch(self, path: str, **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
        """Open a watch and give its events one by one."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with self.http.stream("GET", path, headers=sent) as answer:
            answer.raise_for_status()
            yield (json.loads(line) for line in answer.iter_lines())


class Embedded:
    """An `ApiServer` that runs in a thread from `with` to its end."""

    def __init__(
        self,
        *,
        data: Path | None = None,
        crds: Iterable[Mapping[str, Any]] = (),
        policies: Sequence[Mapping[str, Any]] = (),
        objects: Iterable[Mapping[str, Any]] = (),
        logs: LogSource | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        more: dict[str, Any] = {} if clock is None else {"clock": clock}
        self.server = ApiServer(data=data, crds=crds, policies=policies, objects=objects, logs=logs, **more)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded-apiserver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(10)
        return self

    def stop(self) -> None:
        """Stop the server; its thread goes on."""
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10)

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def client(self, token: str = "") -> Client:
        """Return a client with a token, the administrator's if none is given."""
        return Client(self.server.url, token or self.server.token, self.server.ca)
