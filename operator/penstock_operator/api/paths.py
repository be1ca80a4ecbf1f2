"""Paths of the Kubernetes API: the one place on this side of the fence where a name becomes part of a URL.

Operator, command line and development node take every path from here, so that a name with a slash, a query or dots in it can never lead
to another object than the one that it names. A test lists every place that writes a path by itself; the engine has a module of the same
kind (`penstock.kube.paths`), since it knows nothing of this package.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

GROUPS: Final = "/apis"  # where a server lists its groups


class NotANameError(ValueError):
    """A text that no object can have as its name: it was not asked for."""


def segment(name: str) -> str:
    """Return a name as one segment of a path, escaped.

    Escaping alone would not do: servers take the path apart after they have undone it, and clients resolve dots. So what no object can
    be called is refused, in kubectl's words (apimachinery's `IsValidPathSegmentName`).

    Raises:
        NotANameError: no object can have this name.
    """
    if not name:
        raise NotANameError("resource name may not be empty")
    faults = [f"may not be '{name}'"] if name in (".", "..") else []
    faults += [f"may not contain '{sign}'" for sign in "/%" if sign in name]
    if faults:
        raise NotANameError(f'invalid resource name "{name}": [{", ".join(faults)}]')
    return quote(name.encode("utf-8", "surrogatepass"), safe="")


def path(
    group: str,
    version: str,
    plural: str | None = None,
    namespace: str | None = None,
    name: str | None = None,
    sub: str | None = None,
) -> str:
    """Return the path of a group's resources (no plural), of a collection, of an object or of its subresource.

    Args:
        group: empty for the core group.
        version: of the group.
        plural: the resource.
        namespace: None: of all namespaces, or the resource has none.
        name: None: the collection.
        sub: a subresource of the object.

    Raises:
        NotANameError: one of them can't be a name.
    """
    parts = [GROUPS, segment(group)] if group else ["/api"]
    parts.append(segment(version))
    if namespace is not None:
        parts += ["namespaces", segment(namespace)]
    parts += [segment(part) for part in (plural, name, sub) if part is not None]
    return "/".join(parts)
