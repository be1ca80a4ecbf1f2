"""Async tasks: pages fetched side by side from a web server, with a timeout and retries where they are needed.

Run it:  python examples/async_http.py

Shows async flows and tasks with `asyncio.gather`, `timeout_seconds`, a retry that depends on the error
(`retry_condition_fn`), and a server of our own so that nothing leaves this machine.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx

from penstock import flow, task

PAGES = {"/": "welcome", "/news": "nothing new", "/flaky": "at last", "/slow": "too late"}
asked: Counter[str] = Counter()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request: /flaky refuses the first, /slow never answers, others are there or not."""
    path = (await reader.readline()).decode().split()[1]
    while (await reader.readline()).strip():
        pass
    asked[path] += 1
    status = "200 OK" if path in PAGES else "404 Not Found"
    if path == "/flaky" and asked[path] == 1:
        status = "503 Service Unavailable"
    if path == "/slow":
        await reader.read()  # until the caller has lost its patience
    body = PAGES.get(path, "no such page")
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
    await writer.drain()
    writer.close()


def worth_another_try(task: Any, task_run: Any, state: Any) -> bool:
    """Try again when the server is busy, not when the page does not exist."""
    error = state.data
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code >= 500


@task(retries=2, retry_delay_seconds=0.05, retry_condition_fn=worth_another_try, timeout_seconds=30)
async def fetch(client: Any, path: str) -> str:
    """Get one page."""
    answer = await client.get(path)
    answer.raise_for_status()
    return answer.text


@flow
async def crawl(base: str, paths: list[str], hasty: list[str]) -> dict[str, str]:
    """Get all pages at once, some with less patience; what fails is told, not fatal."""
    quick = fetch.with_options(timeout_seconds=2)
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
        states = await asyncio.gather(
            *((quick if path in hasty else fetch)(client, path, return_state=True) for path in paths)
        )
    pages = {}
    for path, state in zip(paths, states, strict=True):
        pages[path] = await state.result() if state.is_completed() else state.name
    return pages


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pages = await crawl(f"http://127.0.0.1:{port}", ["/", "/news", "/flaky", "/missing", "/slow"], hasty=["/slow"])
    server.close()
    for path, text in pages.items():
        print(f"{path}: {text} ({asked[path]} calls)")


if __name__ == "__main__":
    asyncio.run(main())
