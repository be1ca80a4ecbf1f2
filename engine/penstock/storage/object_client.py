"""The client of an object store: how long it is asked, and what is said where it does not do what it was asked.

A store that does not answer is asked again for half a minute. Once that was in vain it is asked briefly, until it answers again: a run
of a hundred tasks whose bucket is away is not to wait an hour for it. What comes of it is one of Python's own errors, in one line.
Neighbour: `remote_filesystem` asks; nothing else knows the library.
"""

from __future__ import annotations

import html
import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Of itself the client goes on for three minutes with each request, and gives up after a second where the connection is refused.
PATIENCE: dict[str, Any] = {
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=4), "base": 2},
    "max_retries": 30,
    "retry_timeout": timedelta(seconds=30),
}
BRIEF: dict[str, Any] = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
BRIEF_CONNECT_SECONDS = 2
# Where an endpoint of one's own is named; a plain one is meant as it is written, as the command lines of these stores take it.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT")
_FORBIDDEN = frozenset({"PermissionDeniedError", "UnauthenticatedError"})
_AWAY = "GenericError"
_WORDS = 300
# Of what the library says: its own name for the store, how long it took, how often it was tried, the key's whole address.
_NOISE = re.compile(
    r"Generic \w+ error: |The operation lacked [\w ]+ for path \S+: |The operation lacked [\w ]+ for path .*?: (?=Error)"
    r"|Error performing (\w+) (\w+://[^/\s]+)\S* ?(?:in [\d.]+[a-zµ]+(?:, after \d+ retries, [^-]*)?)? *- "
)


class ObjectClient:
    """Asks the store at a URL.

    Args:
        url: of the store, with the prefix.
        settings: options of the library's client.

    Raises:
        ImportError: the extra for object stores is not installed.
        ValueError: there are no such options.
    """

    def __init__(self, url: str, settings: Mapping[str, Any]) -> None:
        try:
            import obstore.store
        except ImportError as exc:
            raise ImportError(
                f"Results at {url!r} need an object-store client: pip install 'penstock[objects]'."
            ) from exc
        self._url = url
        self._away = False
        given = {**settings}
        options = {"allow_http": True} if _plain_endpoint(given) else {}
        options.update(given.pop("client_options", None) or {})
        brief = {"connect_timeout": timedelta(seconds=BRIEF_CONNECT_SECONDS), **options}
        make = obstore.store.from_url
        try:
            self.patient: Any = make(url, **{"retry_config": PATIENCE, "client_options": options, **given})
            self._brief: Any = make(url, **{"retry_config": BRIEF, "client_options": brief, **given})
        except Exception as exc:
            raise ValueError(f"The object store {url} cannot be used: {first_words(exc)}") from exc

    def ask(self, request: Callable[[Any], Any]) -> Any:
        """Send a request; its answer.

        Args:
            request: what to ask the library's client.

        Raises:
            FileNotFoundError: there is no such key, or no such bucket.
            PermissionError: the store does not let these credentials.
            OSError: it cannot be reached, or failed.
        """
        try:
            answer = request(self._brief if self._away else self.patient)
        except FileNotFoundError as exc:
            self._away = False
            raise FileNotFoundError(f"{self._url}: {first_words(exc)}") from None
        except Exception as exc:  # noqa: BLE001  (the library's own kinds have no base that it names as public)
            kind = type(exc).__name__
            self._away = kind == _AWAY
            if kind in _FORBIDDEN:
                text = f"{self._url} is refused to these credentials: {first_words(exc)}"
                raise PermissionError(text) from None
            raise OSError(f"{self._url} does not do what it was asked: {first_words(exc)}") from None
        self._away = False
        return answer


def first_words(error: Exception) -> str:
    """What an error of the library says, in one line: without the dump of its insides, but with the cause that stands at their end."""
    try:
        text, _, insides = str(error).partition("\n\nDebug source:")
    except Exception:  # noqa: BLE001  (whatever the library's own text does)
        return type(error).__name__
    said = re.search(r"<Code>(.*?)</Code>(?:.*?<Message>(.*?)</Message>)?", text, re.DOTALL)
    if said:
        words = html.unescape(": ".join(part for part in said.groups() if part))
    else:
        words = _NOISE.sub(lambda found: f"{found[1]} {found[2]}: " if found[1] else "", text)
        causes = re.findall(r'(?:message: |HttpError: |error: )"([^"\n]{3,200})"', insides)
        if causes and causes[-1] not in words:
            words = f"{words}: {causes[-1]}"
    words = " ".join(words.split())
    return words if len(words) <= _WORDS else f"{words[:_WORDS]}…"


def _plain_endpoint(settings: Mapping[str, Any]) -> bool:
    """Whether the endpoint that counts was given as `http://`."""
    config = settings.get("config") or {}
    named = [
        settings.get(key) or config.get(key) for key in ("endpoint", "endpoint_url", "aws_endpoint", "aws_endpoint_url")
    ]
    named += [os.environ.get(name) for name in _ENDPOINTS]
    found = next((str(each) for each in named if each), "")
    return found.startswith("http://")
