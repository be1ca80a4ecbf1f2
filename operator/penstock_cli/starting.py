"""`run`: a run of a Flow that the cluster has, with parameters as its schema says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock_operator.api import times

from . import parameters
from .api import ServerError
from .creating import LONGEST, fixed, generated, start
from .errors import CliError
from .exits import Exit
from .kinds import FLOW, named
from .moments import moment
from .nearness import near
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api, Json
    from .creating import Wish

__all__ = ["Options", "find_flow", "flow_name", "pairs", "run"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a command line says of a run besides its flow.

    Attributes:
        parameters: what stood behind each `-p`.
        name: the run's name; None: one is made.
        prefix: what a made name begins with; None: the flow's name.
        at: when it is to begin; None: now.
        labels: `key=value` each.
        env: `NAME=value` each.
    """

    parameters: Sequence[str] = ()
    name: str | None = None
    prefix: str | None = None
    at: str | None = None
    labels: Sequence[str] = ()
    env: Sequence[str] = ()

    def metadata(self, flow: str) -> Json:
        """Return the run's name or its beginning, and its labels."""
        if self.name is not None and self.prefix is not None:
            raise CliError("error: --name and --generate-name exclude each other", Exit.USAGE)
        if self.name is not None:
            made = fixed(self.name)
        elif self.prefix is not None:
            made = generated(fixed(self.prefix[:LONGEST].rstrip("-"))["name"])
        else:
            made = generated(flow)
        labels = pairs("--label", self.labels)
        return made | ({"labels": labels} if labels else {})

    def spec(self, given: Json) -> Json:
        """Return the fields of the run's spec that are not its flow.

        Args:
            given: its parameters, as they were read.
        """
        found: dict[str, Any] = {"parameters": given} if given else {}
        if self.at is not None:
            now = datetime.now().astimezone()
            when = moment(self.at, now)
            if when < now and not self.at.startswith("+"):
                say(f"note: --at {self.at} has passed, the run begins at once", error=True)
            found["scheduledTime"] = times.rfc3339(when.astimezone(UTC).replace(microsecond=0))
        if env := pairs("--env", self.env):
            found["env"] = [{"name": name, "value": value} for name, value in env.items()]
        return found


def run(api: Api, word: str, options: Options, wish: Wish) -> Exit:
    """Create a run of a Flow; returns the exit code.

    Raises:
        CliError: there is no such Flow, a parameter is wrong, or the server refuses.
    """
    flow = find_flow(api, flow_name(word))
    name, spec = str(flow["metadata"]["name"]), flow["spec"]
    schema = spec.get("parametersSchema")
    given = parameters.read(options.parameters, schema)
    parameters.check(f"flow {name}", schema, spec.get("parameters") or {}, given)
    body = {"metadata": options.metadata(name), "spec": {"flowRef": {"name": name}, **options.spec(given)}}
    return start(api, body, wish)


def flow_name(word: str) -> str:
    """Read a Flow's name: `NAME` or `fl/NAME`.

    Raises:
        CliError: another kind was named, or nothing.
    """
    kind, slash, name = word.partition("/")
    if slash and kind.lower() not in FLOW.words:
        raise CliError(f"error: {word} is no Flow; write NAME or fl/NAME", Exit.USAGE)
    return named(name if slash else word)


def find_flow(api: Api, name: str) -> Json:
    """Return a Flow.

    Raises:
        ServerError: there is none of this name; the near ones are told.
    """
    try:
        return api.get(FLOW.path(api.namespace, name))
    except ServerError as error:
        if error.status != 404 or error.reason != "NotFound":
            raise
        try:
            listed = api.get(FLOW.path(api.namespace)).get("items") or []
        except ServerError:
            raise error from None  # who may not list is told no names
        known = [str(item["metadata"]["name"]) for item in listed]
        where = f" in namespace {api.namespace}"
        rest = near(name, known) if known else f" There is no Flow at all{where}."
        raise ServerError(404, error.reason, f"{error.message}{where if known else ''}.{rest}") from error


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """Read `key=value` each.

    Raises:
        CliError: one has no `=`.
    """
    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise CliError(f"error: {option} {text!r}: write key=value", Exit.USAGE)
        found[key] = value
    return found
