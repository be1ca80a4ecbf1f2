"""From code to resources: what `penstock build` writes, and whether a committed file still says it. Needs no cluster, runs no flow.

Neighbours: `building_survey` asks what the file defines, `building_sources` reads it and what it imports, `building_checks` holds it against the
CRD and the operator's rules, `building_yaml` writes it.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from penstock_operator.api.constants import API_VERSION, GROUP
from penstock_operator.api.names import KEY, LABEL, Naming
from penstock_operator.core.revisions import SOURCE_MAXIMUM

from .building_checks import fault_of
from .building_sources import Sources, packages_of, read_sources
from .building_survey import Found, Target, choose, survey
from .building_yaml import dump
from .errors import CliError
from .exits import Exit

if TYPE_CHECKING:
    from .api import Json

__all__ = ["Built", "build", "difference", "write"]

INLINE_MAXIMUM: Final = 262_144  # characters, as the CRD has it
NAME_MAXIMUM: Final = 41  # of a Flow; its runs add to it
_DESCRIPTION_MAXIMUM: Final = 2048
_INLINE_NAME = re.compile(r"[A-Za-z0-9_-]+\.py\Z")
_SECTION = re.compile(
    r"^(?:Args|Arguments|Parameters|Params|Returns|Yields|Raises|Example|Examples|Note|Notes):\s*$", re.MULTILINE
)
# Where a Flow's files stand in another object, what they are is noted at the Flow: so it changes when they do.
DIGEST: Final = f"{GROUP}/source-sha256"


@dataclass(frozen=True, slots=True)
class Built:
    """Resources that were made of a flow.

    Attributes:
        flow: the Flow.
        config_map: the ConfigMap of its files, where it needs one.
        made_of: file or module, and the flow in it, without folders.
        notes: what could not be known, and what is left out.
    """

    flow: Json
    config_map: Json | None
    made_of: str
    notes: tuple[str, ...]

    def to_yaml(self) -> str:
        """Return the YAML: the same text for the same code, on any machine."""
        documents = [self.flow] if self.config_map is None else [self.config_map, self.flow]
        return dump(documents, f"Made by `penstock build` of {self.made_of}; change it there.")


def build(target: Target, *, name: str | None, image: str | None, timeout: float) -> Built:
    """Make the resources of a flow.

    Args:
        target: where it is.
        name: of the Flow; None: what `to_flow` says, or the flow's own.
        image: that has the code in it; None: the code goes into the resources.
        timeout: seconds that importing the file may take.

    Raises:
        CliError: the flow cannot be found or loaded, does not fit into a resource, or says what a resource cannot.
    """
    packed = image is not None
    sources = None if packed or target.file is None else read_sources(target.file)
    meant, folders = _importable(target) if packed else _as_it_stands(target, sources)
    surveyed = survey(meant, folders, timeout)
    target, meant = target.settled(surveyed), meant.settled(surveyed)
    found = choose(target, surveyed)
    definition = found.definition or {}
    spec: Json = definition.get("spec") or {}
    flow_name = _name(name, definition.get("name") or found.flow["name"])
    place = f"{meant.module or (sources.entry if sources else None)}:{found.variable}"
    flow: Json = {
        "apiVersion": API_VERSION,
        "kind": "Flow",
        "metadata": {
            "name": flow_name,
            **{key: definition[key] for key in ("labels", "annotations") if definition.get(key)},
        },
        "spec": _spec(found, spec, place, image),
    }
    if sources is None and not flow["spec"].get("image"):
        raise CliError(
            f"error: {target} is a module: say which image has it, with --image IMAGE; or build FILE.py:flow"
        )
    config_map = _put(flow, sources, target) if sources is not None else None
    fault = fault_of(flow)
    if fault is not None:
        raise CliError(f"error: {target}:{found.variable}: {fault}")
    guarded = [
        f'line {line}: to_flow below `if __name__ == "__main__"` is not seen: call it at module level'
        for line in (sources.guarded if sources else ())
    ]
    return Built(flow, config_map, place, (*found.notes, *guarded))


def _as_it_stands(target: Target, sources: Sources | None) -> tuple[Target, list[Path]]:
    """Return what is imported, and where a pod looks for modules first: the folder of the source, then the working directory."""
    if sources is None:
        return target, [Path.cwd()]
    meant = target if sources.module is None else Target(None, sources.module, target.name)
    return meant, [sources.root, Path.cwd()]


def _importable(target: Target) -> tuple[Target, list[Path]]:
    """Return a file as the module that it is in an image: of its package, if it is in one."""
    if target.file is None:
        return target, [Path.cwd()]
    file = target.file.resolve()
    packages = packages_of(file)
    parts = [*packages, *([] if file.stem == "__init__" else [file.stem])]
    module = ".".join(parts)
    if not all(part.isidentifier() for part in parts):
        raise CliError(f"error: {target} cannot be imported as {module!r}: rename it, so that a pod can")
    return Target(None, module, target.name), [file.parents[len(packages)], Path.cwd()]


def _name(wanted: str | None, found: str) -> str:
    """Return a Flow's name: as it was asked for, or made of the flow's."""
    if wanted is not None:
        fault = Naming(LABEL.pattern, NAME_MAXIMUM, LABEL.words).fault(wanted)
        if fault is not None:
            raise CliError(f"error: --name: {fault}")
        return wanted
    letters = [sign for sign in unicodedata.normalize("NFKD", found.casefold()) if not unicodedata.combining(sign)]
    name = re.sub("[^a-z0-9]+", "-", "".join(letters)).strip("-")
    if not name:
        raise CliError(f"error: no name for Kubernetes can be made of {found!r}: say one with --name NAME")
    if len(name) > NAME_MAXIMUM:
        name = f"{name[: NAME_MAXIMUM - 7].rstrip('-')}-{sha256(name.encode()).hexdigest()[:6]}"
    return name


def _spec(found: Found, said: Json, place: str, image: str | None) -> Json:
    """Return the spec but for the source, in the order in which people read it."""
    rest = dict(said)
    text = rest.pop("description", None) or _description(found.flow["description"])
    own_image = rest.pop("image", None)
    first: Json = {"description": text, "entrypoint": place, "image": image or own_image}
    last = {"parameters": rest.pop("parameters", None), "parametersSchema": found.flow["schema"]}
    order = ("schedules", "suspend", "concurrency", "concurrencyGroups", "runOnChange", "historyLimits")
    middle = {name: rest.pop(name, None) for name in order}
    return {name: value for name, value in {**first, **middle, **rest, **last}.items() if value is not None}


def _description(text: str | None) -> str | None:
    """Return a docstring without what it says of parameters and results: the schema has that."""
    section = _SECTION.search(text or "")
    short = (text or "")[: section.start() if section else None].strip()
    return (short if len(short) <= _DESCRIPTION_MAXIMUM else f"{short[: _DESCRIPTION_MAXIMUM - 1]}…") or None


def _put(flow: Json, sources: Sources, target: Target) -> Json | None:
    """Put the files into the Flow, or into a ConfigMap, which is returned."""
    text = sources.files[sources.entry]
    size = sum(len(name) + len(content.encode()) for name, content in sources.files.items())
    alone = len(sources.files) == 1 and _INLINE_NAME.match(sources.entry) and len(text) <= INLINE_MAXIMUM
    if alone and text:
        flow["spec"]["source"] = {"inline": text}
        return None
    odd = next((fault for fault in map(KEY.fault, sources.files) if fault is not None), None)
    if odd is not None:
        raise CliError(f"error: {target}: a file of a ConfigMap cannot be called so: {odd}; rename the file")
    if size > SOURCE_MAXIMUM:
        raise CliError(
            f"error: {target} and what it imports have {size:,} bytes, and a resource holds {SOURCE_MAXIMUM:,}: "
            "put the code into an image, and build with --image IMAGE"
        )
    metadata = flow["metadata"]
    metadata["annotations"] = {**metadata.get("annotations", {}), DIGEST: _digest(sources)}
    flow["spec"]["source"] = {"configMap": {"name": f"{metadata['name']}-source"}}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{metadata['name']}-source"},
        "data": dict(sources.files),
    }


def _digest(sources: Sources) -> str:
    whole = sha256()
    for name, content in sorted(sources.files.items()):
        whole.update(f"{name}\0{len(content.encode())}\0{content}".encode())
    return whole.hexdigest()[:16]


def difference(text: str, file: Path) -> str | None:
    """Return how a committed file differs from what would be written now; None: it does not.

    Raises:
        CliError: the file cannot be read.
    """
    try:
        if file.exists() and not file.is_file():
            raise CliError(f"error: --check compares with a file, and {file} is none", Exit.USAGE)
        committed = file.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        committed = ""
    except OSError as error:
        raise CliError(f"error: {file} cannot be read: {error.strerror}") from error
    if committed == text:
        return None
    lines = unified_diff(
        committed.splitlines(keepends=True), text.splitlines(keepends=True), f"{file} (committed)", f"{file} (built)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def write(text: str, file: Path) -> bool:
    """Write a file, whole or not at all; returns whether it has changed.

    What is no regular file (`/dev/stdout`, a pipe) is written to as it is: it may have no end to read to, and is not to be replaced.
    A link stays one.

    Raises:
        CliError: it cannot be written.
    """
    content = text.encode("utf-8")
    try:
        if file.exists() and not file.is_file():
            file.write_bytes(content)
            return True
        if file.exists() and file.read_bytes() == content:
            return False
        _replace(file.resolve(), content)
    except OSError as error:
        raise CliError(f"error: {file} cannot be written: {error.strerror}") from error
    return True


def _replace(file: Path, content: bytes) -> None:
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.write_bytes(content)
        beside.replace(file)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
