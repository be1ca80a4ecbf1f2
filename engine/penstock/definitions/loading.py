"""Finding flows in files and modules.

Compiling and executing are separate steps, so that a pod can compile before it may run anything of the user's:
`compile_entrypoint` reads and compiles, `Entry.load` executes. Neighbours: `flows` offers these names.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from penstock.base.exceptions import MissingFlowError, ScriptError, UnspecifiedFlowError
from penstock.base.source import LOADED


@dataclass(frozen=True, slots=True)
class Entry:
    """An entrypoint that was found and compiled, and not executed yet.

    Attributes:
        entrypoint: as the user wrote it.
        module: dotted name, for `package.module:fn`; None for a path.
        path: the file; None for a module that is imported by name.
        code: the compiled file; None for a module that is imported by name.
        name: of the flow in it; None: the only one.
    """

    entrypoint: str
    module: str | None
    path: Path | None
    code: CodeType | None
    name: str | None

    def load(self, log_prints: bool | None = None) -> Any:
        """Execute the module and give the flow.

        Args:
            log_prints: of the flow that is made of a plain function.

        Raises:
            ScriptError: the module raised; from the original.
            MissingFlowError: nothing of that name, or no flow, is in it.
            UnspecifiedFlowError: several flows are in it and none was named.
        """
        module, name = self.execute()
        return flow_in(module, name, str(self.path or module.__name__), log_prints)

    def execute(self) -> tuple[ModuleType, str | None]:
        """Execute the module and give it, with the name of what is asked for in it.

        Raises:
            ScriptError: the module raised; from the original.
        """
        from penstock.drivers.calls import LOADING

        before = LOADING.active
        LOADING.active = True
        try:
            if self.path is None:
                import importlib

                module, name = self._split()
                return importlib.import_module(module), name
            return self._execute_file(self.path), self.name
        except ScriptError:
            raise
        except Exception as exc:
            raise ScriptError(user_exc=exc, path=str(self.path or self.module)) from exc
        finally:
            LOADING.active = before

    def _split(self) -> tuple[str, str | None]:
        """Module and name; of `package.module.fn` the last part is the name, unless it is a module."""
        from importlib.util import find_spec

        module = self.module or ""
        above, _, last = module.rpartition(".")
        if self.name is not None or not above:
            return module, self.name
        try:
            found = find_spec(module)
        except ModuleNotFoundError as exc:
            if exc.name != module:
                raise
            found = None  # what is above it is no package
        return (module, None) if found is not None else (above, last)

    def _execute_file(self, path: Path) -> ModuleType:
        # Keys of stored results hold the module of an input's class: a name that another attempt has as well, whatever
        # folder its sources are mounted in.
        name = f"{LOADED}{path.stem}"
        known = sys.modules.get(name)
        if known is not None and known.__file__ != str(path):
            name = f"{name}_{sha256(str(path).encode()).hexdigest()[:16]}"
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module
        folder = str(path.parent)
        sys.path.insert(0, folder)
        try:
            exec(self.code, module.__dict__)  # type: ignore[arg-type]
        except BaseException:
            sys.modules.pop(name, None)
            raise
        finally:
            if folder in sys.path:
                sys.path.remove(folder)
        return module


def compile_entrypoint(entrypoint: str, source_dir: str | Path | None = None) -> Entry:
    """Find the file of an entrypoint, read it and compile it; nothing in it is executed.

    Args:
        entrypoint: `path.py:fn`, `path.py`, `package.module:fn` or `package.module.fn`; `fn` after a colon also as
            `Class.method`.
        source_dir: folder that relative paths are looked up in first; then the working directory.

    Raises:
        MissingFlowError: there is no such file.
        ScriptError: it cannot be compiled; from the original.
    """
    target, _, name = entrypoint.rpartition(":") if ":" in entrypoint else (entrypoint, "", "")
    if target.endswith(".py") or "/" in target or Path(target).exists():
        path = _find(target, source_dir)
        try:
            code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as exc:
            raise ScriptError(user_exc=exc, path=str(path)) from exc
        return Entry(entrypoint, None, path, code, name or None)
    return Entry(entrypoint, target, None, None, name or None)


def _find(target: str, source_dir: str | Path | None) -> Path:
    path = Path(target).expanduser()
    tried = [path] if path.is_absolute() else ([Path(source_dir) / path] if source_dir is not None else []) + [path]
    for candidate in tried:
        if candidate.is_file():
            return candidate.resolve()
    raise MissingFlowError(f"No file {target!r} was found; looked at {', '.join(map(str, tried))}.")


def flow_in(module: ModuleType, name: str | None, place: str, log_prints: bool | None = None) -> Any:
    """The flow of a loaded module; a plain function is made one.

    Raises:
        MissingFlowError: there is none of that name, or none at all.
        UnspecifiedFlowError: there are several and none was named.
    """
    from penstock.definitions.flow import Flow

    if name is None:
        flows = list({id(value): value for value in vars(module).values() if isinstance(value, Flow)}.values())
        return select_flow(flows, from_message=f"at {place!r}")
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise MissingFlowError(f"Flow function with name {name!r} not found in {place!r}.")
    if isinstance(found, Flow):
        return found
    if callable(found):
        return Flow(found, log_prints=log_prints)
    raise MissingFlowError(f"{name!r} in {place!r} is {type(found).__name__}, neither a flow nor a function.")


def select_flow(flows: Any, flow_name: str | None = None, from_message: str | None = None) -> Any:
    """The flow of that name, or the only one.

    Raises:
        MissingFlowError: there is none.
        UnspecifiedFlowError: there are several and none was named.
    """
    where = f" {from_message}" if from_message else ""
    listed = list(flows)
    by_name = {flow.name: flow for flow in listed}
    if not listed:
        raise MissingFlowError(f"No flows found{where}.")
    if flow_name is not None:
        if flow_name not in by_name:
            raise MissingFlowError(
                f"Flow {flow_name!r} not found{where}. Found the following flows: {', '.join(map(repr, by_name))}. "
                "Check to make sure that your flow function is decorated with `@flow`."
            )
        return by_name[flow_name]
    if len(listed) > 1:
        raise UnspecifiedFlowError(
            f"Found {len(listed)} flows{where}: {', '.join(map(repr, by_name))}. Specify a flow name to select a flow."
        )
    return listed[0]


def load_flow_from_entrypoint(
    entrypoint: str, use_placeholder_flow: bool = True, *, source_dir: str | Path | None = None
) -> Any:
    """Load the flow that an entrypoint names.

    Args:
        entrypoint: `path.py:fn`, `package.module:fn`, `package.module.fn`, or with `Class.method`. A plain function is wrapped as a flow.
        use_placeholder_flow: accepted; a module that cannot be imported is an error here.
        source_dir: folder that relative paths are looked up in first.

    Raises:
        MissingFlowError: nothing was found.
        UnspecifiedFlowError: several flows were found and none was named.
        ScriptError: the module raised; from the original.
    """
    return compile_entrypoint(entrypoint, source_dir).load()


def load_function_and_convert_to_flow(entrypoint: str) -> Any:
    """Load a plain function and wrap it as a flow, whose prints are log lines; a flow stays itself."""
    return compile_entrypoint(entrypoint).load(log_prints=True)


def safe_load_flow_from_entrypoint(entrypoint: str) -> Any:
    """Load the flow that an entrypoint names; None when its module cannot be loaded."""
    try:
        return load_flow_from_entrypoint(entrypoint)
    except ScriptError:
        return None


def is_entrypoint_async(entrypoint: str) -> bool:
    """Whether the flow that an entrypoint names is async; read from the source, nothing is executed."""
    import ast

    entry = compile_entrypoint(entrypoint)
    if entry.path is None:
        return bool(entry.load().isasync)
    wanted = (entry.name or "").split(".")[-1]
    for node in ast.walk(ast.parse(entry.path.read_bytes())):
        if isinstance(node, ast.AsyncFunctionDef) and node.name == wanted:
            return True
        if isinstance(node, ast.FunctionDef) and node.name == wanted:
            return False
    raise MissingFlowError(f"Flow function with name {wanted!r} not found in {str(entry.path)!r}.")
