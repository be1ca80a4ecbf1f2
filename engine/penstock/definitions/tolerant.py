"""What a file defines, as far as it can be known where packages that it imports are not installed.

Statements are executed one by one. A module that cannot be found stands as `Missing`, which answers to everything and is
of no type; what fails because of it is left out and named. Calls that stand alone are not made: they would be the file's
work, not its definitions. Neighbours: `callables` and `survey` ask here when a file cannot be loaded as it is.
"""

from __future__ import annotations

import ast
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from penstock.base.texts import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a file is known by; everything else that it does is its work.
_DEFINING = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign,
    ast.AugAssign, ast.If, ast.Try, ast.With,
)  # fmt: skip
_WORTH_CALLING = "to_flow"
_PACKAGES = frozenset({"site-packages", "dist-packages"})


class Missing:
    """Stands for something of a module that is not installed: a decorator of it changes nothing, a base class adds nothing.

    Args:
        name: what it stands for, dotted.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Missing(f"{self._name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What is called as a decorator gives what it decorates; anything else is missing too."""
        if len(args) == 1 and not kwargs and callable(args[0]) and not isinstance(args[0], Missing):
            return args[0]
        return Missing(f"{self._name}()")

    def __getitem__(self, key: Any) -> Any:
        return Missing(f"{self._name}[...]")

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        """As a base class: none."""
        return ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """As a type: anything."""
        from pydantic_core import core_schema

        return core_schema.any_schema()

    def __repr__(self) -> str:
        return f"<missing {self._name}>"


@dataclass(slots=True)
class Known:
    """What is known of a file.

    Attributes:
        names: what it defines.
        missing: modules that were not found.
        skipped: lines that failed, and why.
    """

    names: dict[str, Any]
    missing: set[str] = field(default_factory=set)
    skipped: list[tuple[int, str]] = field(default_factory=list)


def known_of(source: str, path: str, module: ModuleType) -> Known:
    """Execute what a file defines, as far as that goes.

    Args:
        source: of the file.
        path: of the file, for tracebacks.
        module: an empty module, in `sys.modules`, to execute it in.

    Raises:
        SyntaxError: it is not Python.
    """
    known = Known(module.__dict__)
    tree = ast.parse(source, path)
    flags = _future_flags(tree)
    for statement in tree.body:
        if isinstance(statement, _DEFINING) or _is_worth_calling(statement):
            code = compile(ast.Module([statement], type_ignores=[]), path, "exec", flags, dont_inherit=True)
            try:
                try:
                    exec(code, known.names)
                except ImportError:
                    # `try: import fast except ImportError: import slow` has been heard; this is no such thing.
                    with _missing_modules(known.missing, _folder(path, module)):
                        exec(code, known.names)
            except Exception as exc:  # noqa: BLE001  (whatever user code raises)
                known.skipped.append((statement.lineno, f"{type(exc).__name__}: {text_of(exc)}"))
    return known


def _folder(path: str, module: ModuleType) -> str:
    """The folder of a file, or of the outermost package that it is in."""
    inner = (module.__package__ or "").count(".")
    return str(Path(path).absolute().parents[inner])


def _future_flags(tree: ast.Module) -> int:
    import __future__

    statements = [each for each in tree.body if isinstance(each, ast.ImportFrom) and each.module == "__future__"]
    features = [getattr(__future__, alias.name, None) for each in statements for alias in each.names]
    return sum(feature.compiler_flag for feature in features if feature is not None)


def _is_worth_calling(statement: ast.stmt) -> bool:
    called = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(called, ast.Call) and getattr(called.func, "attr", None) == _WORTH_CALLING


@contextmanager
def _missing_modules(missing: set[str], folder: str) -> Iterator[None]:
    """Have imports of modules that are not installed give `Missing`, in files below this folder: libraries know better."""
    import builtins

    imported: Callable[..., Any] = builtins.__import__

    def tolerant(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        try:
            return imported(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as exc:
            importing = Path(str((globals or {}).get("__file__"))).absolute()
            if not importing.is_relative_to(folder) or not _PACKAGES.isdisjoint(importing.parts):
                raise
            missing.add((exc.name or name).partition(".")[0])
            return Missing(name if fromlist else name.partition(".")[0])

    builtins.__import__ = tolerant
    try:
        yield
    finally:
        builtins.__import__ = imported
