"""Refusals, in the words of a real API server: `Status` objects and the field errors inside them.

Everything here is data; nobody but the HTTP room turns it into an answer. Messages follow the API machinery of Kubernetes,
because users search for them and clients (kubectl, kopf) decide by `reason` and `code`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REASON_CODES = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "NotAcceptable": 406,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Gone": 410,
    "Expired": 410,
    "RequestEntityTooLarge": 413,
    "UnsupportedMediaType": 415,
    "Invalid": 422,
    "InternalError": 500,
    "NotImplemented": 501,
    "Timeout": 504,
}


class ApiError(Exception):
    """A refused request.

    Args:
        reason: machine-readable word, a key of `REASON_CODES` (it gives the HTTP code).
        message: the sentence for a person.
        details: `Status.details`.
    """

    def __init__(
        self, reason: str, message: str, details: dict[str, Any] | None = None, code: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.details = details
        self.code = code or REASON_CODES[reason]

    def body(self) -> dict[str, Any]:
        """Return the `Status` object."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if not self.reason:
            del body["reason"]
        if self.details is not None:
            body["details"] = self.details
        return body


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field.

    `reason` is a cause's type (`FieldValueInvalid` …), `message` the text without the field's path.
    """

    reason: str
    field: str
    message: str

    def cause(self) -> dict[str, str]:
        """Return the entry of `details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


def quoted(value: Any) -> str:
    """Return a value as the server prints it in a field error: strings quoted, the rest as JSON."""
    if value is None:
        return "null"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def invalid_value(field: str, value: Any, detail: str) -> FieldError:
    """Return `Invalid value: <value>: <detail>`."""
    return FieldError("FieldValueInvalid", field, f"Invalid value: {quoted(value)}: {detail}")


def invalid_type(field: str, shown: Any, wanted: str) -> FieldError:
    """Return the error for a value of the wrong type or format."""
    text = f"Invalid value: {quoted(shown)}: {field} in body must be of type {wanted}: {quoted(shown)}"
    return FieldError("FieldValueTypeInvalid", field, text)


def required(field: str, detail: str = "") -> FieldError:
    """Return `Required value`."""
    return FieldError("FieldValueRequired", field, "Required value" + (f": {detail}" if detail else ""))


def unsupported(field: str, value: Any, supported: Sequence[Any]) -> FieldError:
    """Return `Unsupported value` with the values that are."""
    listed = ", ".join(quoted(v) for v in supported)
    return FieldError(
        "FieldValueNotSupported", field, f"Unsupported value: {quoted(value)}: supported values: {listed}"
    )


def duplicate(field: str, value: Any) -> FieldError:
    """Return `Duplicate value`."""
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {quoted(value)}")


def forbidden_field(field: str, detail: str) -> FieldError:
    """Return `Forbidden` for one field."""
    return FieldError("FieldValueForbidden", field, f"Forbidden: {detail}")


def too_long(field: str, limit: int) -> FieldError:
    """Return `Too long`."""
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def qualified(name: str, group: str) -> str:
    """Return `name.group`, or the name alone in the core group."""
    return f"{name}.{group}" if group else name


def _details(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    return details | more


def not_found(group: str, plural: str, name: str) -> ApiError:
    """Return 404 for an object."""
    return ApiError("NotFound", f'{qualified(plural, group)} "{name}" not found', _details(name, group, plural))


def no_such_path() -> ApiError:
    """Return 404 for a path that nothing serves."""
    return ApiError("NotFound", "the server could not find the requested resource", {})


def already_exists(group: str, plural: str, name: str) -> ApiError:
    """Return 409 for a name that is taken."""
    text = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError("AlreadyExists", text, _details(name, group, plural))


def conflict(group: str, plural: str, name: str, why: str = "") -> ApiError:
    """Return 409 for a stale write."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    text = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError("Conflict", text, _details(name, group, plural))


def precondition_failed(group: str, kind: str, name: str, what: str, asked: str, have: str) -> ApiError:
    """Return 409 for a DELETE whose preconditions name another object or version."""
    end = "deleted and then recreated" if what == "UID" else "modified"
    why = f"the {what} in the precondition ({asked}) does not match the {what} in record ({have}). The object might have been {end}"
    return conflict(group, kind, name, why)


def forbidden(group: str, plural: str, name: str, why: str, causes: list[dict[str, Any]] | None = None) -> ApiError:
    """Return 403."""
    shown = f' "{name}"' if name else ""
    details = _details(name, group, plural)
    if causes:
        details["causes"] = causes
    return ApiError("Forbidden", f"{qualified(plural, group)}{shown} is forbidden: {why}", details)


def invalid(group: str, kind: str, name: str, errors: Iterable[FieldError]) -> ApiError:
    """Return 422 with one cause for each wrong field."""
    unique = list(dict.fromkeys(e if e.field else FieldError(e.reason, "<nil>", e.message) for e in errors))
    texts = [f"{e.field}: {e.message}" for e in unique]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = _details(name, group, kind)
    details["causes"] = [e.cause() for e in unique]
    return ApiError("Invalid", f'{qualified(kind, group)} "{name}" is invalid: {joined}', details)


def invalid_options(kind: str, error: FieldError) -> ApiError:
    """Return 422 for a wrong query parameter; `kind` is CreateOptions, PatchOptions …."""
    return invalid("meta.k8s.io", kind, "", [error])


def bad_request(message: str) -> ApiError:
    """Return 400."""
    return ApiError("BadRequest", message)


def out_of_bounds(what: str) -> ApiError:
    """Return 501 for what a real server would do and this one does not."""
    return ApiError(
        "NotImplemented", f"{what} is outside what the embedded development control plane offers; use a real cluster"
    )


def expired(asked: int, oldest: int) -> ApiError:
    """Return 410 for a watch from before the kept history."""
    return ApiError("Expired", f"too old resource version: {asked} ({oldest})")
