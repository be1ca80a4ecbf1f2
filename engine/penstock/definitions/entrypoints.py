"""What an entrypoint's function takes, read from its file: packages that the file imports need not be installed.

Neighbours: `tolerant` executes what the file defines; `schema` describes the signature; `survey` reports a whole file.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import MissingFlowError, ScriptError
from penstock.definitions.callables import ParameterSchema
from penstock.definitions.tolerant import Known, Missing, known_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def parameter_schema_from_entrypoint(entrypoint: str) -> ParameterSchema:
    """JSON schema of the parameters of an entrypoint's function; what the file does besides defining things is not done.

    Args:
        entrypoint: `path.py:fn`, `package.module:fn` or `package.module.fn`; also with `Class.method`.

    Raises:
        MissingFlowError: there is no such file, or no function of that name in it.
        ScriptError: the file is not Python; from the original.
    """
    from penstock.definitions.schema import schema_of

    target, _, name = entrypoint.rpartition(":" if ":" in entrypoint else ".")
    path = _file_of(target)
    source = source_of(path)
    with module_for(path) as module:
        try:
            known = known_of(source, str(path), module)
        except SyntaxError as exc:
            raise ScriptError(user_exc=exc, path=str(path)) from exc
        return ParameterSchema(**schema_of(function_in(known, name, source, str(path))))


def _file_of(target: str) -> Path:
    if target.endswith(".py") or "/" in target:
        path = Path(target).expanduser()
    else:
        try:
            spec = importlib.util.find_spec(target)
        except ModuleNotFoundError:
            spec = None
        path = Path((spec and spec.origin) or f"{target}: no such module")
    if not path.is_file():
        raise MissingFlowError(f"No file {target!r} was found; looked at {path}.")
    return path.resolve()


def source_of(path: Path) -> str:
    """The text of a file of Python, in the encoding that it declares.

    Raises:
        ScriptError: it cannot be decoded; from the original.
    """
    import io
    import tokenize

    content = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as exc:
        raise ScriptError(user_exc=exc, path=str(path)) from exc


@contextmanager
def module_for(path: Path, package: str | None = None) -> Iterator[ModuleType]:
    """An empty module for a file, which finds what stands beside it; in a package, if it is part of one."""
    name = f"__penstock_survey__{path.stem}"
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__package__ = package
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        yield module
    finally:
        sys.path.remove(str(path.parent))
        del sys.modules[name]


def function_in(known: Known, name: str, source: str, path: str) -> Any:
    """The function of that name: as it was defined, or from its source where that failed, without its decorators.

    Raises:
        MissingFlowError: there is none.
    """
    found: Any = known.names.get(name.partition(".")[0])
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    found = getattr(found, "fn", found)
    if callable(found) and not isinstance(found, Missing):
        return found
    last = name.rpartition(".")[2]
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, _FUNCTIONS) and node.name == last:
            return _defined(node, known.names, path)
    raise MissingFlowError(f"Function {name!r} not found in {path!r}.")


def _defined(node: ast.FunctionDef | ast.AsyncFunctionDef, names: dict[str, Any], path: str) -> Any:
    """The function of a definition, without decorators and body; defaults that cannot be evaluated are `Missing`."""
    import __future__

    text = ast.get_docstring(node, clean=False)
    defaults: dict[str, Any] = {}

    def evaluated(default: ast.expr | None) -> ast.expr | None:
        if default is None:
            return None
        try:
            value = eval(compile(ast.Expression(default), path, "eval"), names)
        except Exception:  # noqa: BLE001  (whatever user code raises)
            value = Missing(ast.unparse(default))
        key = f"__default_{len(defaults)}"
        defaults[key] = value
        return ast.copy_location(ast.Name(key, ast.Load()), default)

    node.decorator_list = []
    node.body = [ast.Expr(ast.Constant(text if text is not None else ...))]
    node.args.defaults = [each for each in map(evaluated, node.args.defaults) if each is not None]
    node.args.kw_defaults = [evaluated(each) for each in node.args.kw_defaults]
    inside = {**names, **defaults}
    tree = ast.fix_missing_locations(ast.Module([node], type_ignores=[]))
    exec(compile(tree, path, "exec", __future__.annotations.compiler_flag, dont_inherit=True), inside)
    return inspect.unwrap(inside[node.name])
