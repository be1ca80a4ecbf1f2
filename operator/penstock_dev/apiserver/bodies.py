"""The value of a body, as Go's readers make it: numbers beyond 64 bits are rounded, `1.0` is `1`, half a letter is a replacement character.

What comes back of an object must not depend on the control plane that keeps it. A test writes the same values to real servers.
"""

from __future__ import annotations

import json
import re
from typing import Any

from penstock_operator.manifests.documents import yaml_body
from penstock_operator.manifests.faults import Malformed
from penstock_operator.manifests.scalars import served

from .status import bad_request

_HALF_A_LETTER = re.compile("[\ud800-\udfff]")
_DEEPEST = 400  # a real server takes 10,000 levels, and nobody needs them


def json_value(data: bytes) -> Any:
    """Return the value of a body of JSON.

    Raises:
        ApiError: 400, it is none.
    """
    try:
        found = json.loads(data, parse_int=_integer, parse_float=_float, parse_constant=_no_constant)
    except RecursionError:
        raise bad_request("the object provided is unrecognized: exceeded max depth") from None
    except ValueError as error:
        raise bad_request(f"the object provided is unrecognized (must be of type application/json): {error}") from error
    return _whole(found) if rb"\u" in data else found


def yaml_value(data: bytes) -> Any:
    """Return the value of a body of YAML; Go reads JSON in such a body as YAML, too.

    Raises:
        ApiError: 400, it is none.
    """
    try:
        return _as_served(yaml_body(data.decode("utf-8")), 0)
    except Malformed as error:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: yaml: {error}") from error
    except ValueError as error:  # no UTF-8 either
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from error


def _integer(text: str) -> int | float:
    value = int(text) if len(text) < 400 else 10**400  # longer than any float
    return _number(text, value)


def _float(text: str) -> int | float:
    return _number(text, float(text))


def _number(text: str, value: int | float) -> int | float:
    try:
        return served(value)
    except ValueError:
        raise ValueError(f"json: cannot unmarshal number {text[:40]} into Go value of type float64") from None


def _no_constant(text: str) -> Any:
    raise ValueError(f"invalid character '{text[0]}' looking for beginning of value")


def _as_served(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("exceeded max depth")
    if isinstance(value, dict):
        return {key: _as_served(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_served(item, depth + 1) for item in value]
    return served(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _whole(value: Any) -> Any:
    """Return a value whose texts can be written as UTF-8."""
    if isinstance(value, str):
        return _HALF_A_LETTER.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value
