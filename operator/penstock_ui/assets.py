"""The stylesheet, the script and the icon, with addresses that change when they do, so that a browser keeps them for good."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from aiohttp import web

__all__ = ["address", "asset"]

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_YEAR: Final = "public, max-age=31536000, immutable"


@cache
def _content(name: str) -> tuple[bytes, str]:
    content = (_FOLDER / name).read_bytes()
    return content, blake2b(content, digest_size=6).hexdigest()


def address(name: str) -> str:
    """Return the address of a file."""
    return f"/static/{name}?{_content(name)[1]}"


async def asset(request: web.Request) -> web.Response:
    """Answer with a file."""
    name = request.match_info["name"]
    if name not in {each.name for each in _FOLDER.iterdir()}:
        raise web.HTTPNotFound
    content, mark = _content(name)
    headers = {"Cache-Control": _YEAR if request.query_string == mark else "no-cache"}
    return web.Response(body=content, content_type=_TYPES[Path(name).suffix], headers=headers)
