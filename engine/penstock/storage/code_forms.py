"""Classes and functions as plain values: what tells them apart, equal in every process.

What its module gives by its name is told by that name, as pickle does. Others, of scripts, lambdas and inside functions,
are told by their code too. Neighbour: `keys` writes what is made here.
"""

from __future__ import annotations

import sys
from types import CodeType, FunctionType
from typing import Any

_SCALARS = (type(None), bool, int, float, complex, str, bytes)


def found_by_name(value: Any, module: Any, qualname: Any) -> bool:
    """Whether the module has this very object under this name."""
    found: Any = sys.modules.get(module) if isinstance(module, str) else None
    if found is None or not isinstance(qualname, str):
        return False
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found is value


def is_local(kind: type) -> bool:
    """Whether the class is made inside a function, so that another one may have its name."""
    return "<locals>" in kind.__qualname__ and not found_by_name(kind, kind.__module__, kind.__qualname__)


def class_parts(kind: type) -> Any:
    """The constants of a class and the code of its functions; what may change from call to call is left out."""
    members = {}
    for name, member in vars(kind).items():
        if name in _LEFT_OUT:
            continue
        inner = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if type(member) in _SCALARS:
            members[name] = member
        elif isinstance(inner, FunctionType):
            kept = [each for each in map(_content, inner.__closure__ or ()) if type(each) in _SCALARS]
            members[name] = (type(member).__name__, code_parts(inner.__code__), kept)
    return members


_LEFT_OUT = frozenset({"__module__", "__qualname__", "__doc__", "__firstlineno__"})


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return ...


def code_parts(code: CodeType) -> Any:
    """What tells one code from another, wherever it stands."""
    return (
        code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_flags,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        [code_parts(const) if isinstance(const, CodeType) else const for const in code.co_consts],
    )  # fmt: skip


def _global_names(code: CodeType) -> set[str]:
    inner = [_global_names(const) for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*inner)


def function_parts(fn: FunctionType) -> Any:
    """Code, defaults, and the values of what the function refers to."""
    known = fn.__globals__
    return (
        fn.__module__, fn.__qualname__, code_parts(fn.__code__), fn.__defaults__, fn.__kwdefaults__,
        [_content(cell) for cell in fn.__closure__ or ()],
        {name: known[name] for name in _global_names(fn.__code__) if name in known},
        {name: value for name, value in vars(fn).items() if name != "__wrapped__"}, vars(fn).get("__wrapped__"),
    )  # fmt: skip
