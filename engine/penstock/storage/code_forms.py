"""Classes and functions as plain values: what tells them apart, equal in every process.

What its module gives by its name is told by that name, as pickle does. Others, of scripts, lambdas and inside functions,
are told by their code too. Neighbour: `keys` writes what is made here.
"""

from __future__ import annotations

import enum
import sys
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Whether no module that every process has holds the class under its name: it is a script's, or made in a function."""
    if not kind.__flags__ & _HEAP_TYPE:
        return False
    return kind.__module__ == "__main__" or not found_by_name(kind, kind.__module__, kind.__qualname__)


_MADE_BY_ATTRS = "<attrs generated "  # of the fields; a `__hash__` among them holds a number of this process
_ANNOTATING = frozenset(
    {"__annotate__", "__annotate_func__"}
)  # what makes them, from 3.14 on; a class that was sent has none
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made while the program runs, not compiled into it


def class_parts(kind: type) -> Any:
    """The constants of a class, its fields and the code of its functions; what may change from call to call is left out."""
    members: dict[str, Any] = {}
    for name, member in vars(kind).items():
        if name in _ANNOTATING:
            continue
        inner = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if _is_constant(member):
            if not name.startswith("__"):  # these are Python's and the libraries' own notes
                members[name] = member
        elif isinstance(inner, FunctionType) and not inner.__code__.co_filename.startswith(_MADE_BY_ATTRS):
            kept = [each for each in map(_content, inner.__closure__ or ()) if _is_constant(each)]
            members[name] = (type(member).__name__, code_parts(inner.__code__), kept)
    return members, _annotations(kind), *_fields(kind)


def _is_constant(value: Any) -> bool:
    kind = type(value)
    return kind in _SCALARS or (kind in (tuple, frozenset) and all(map(_is_constant, value)))


def _annotations(kind: type) -> Any:
    try:
        return dict(vars(kind).get("__annotations__") or kind.__annotations__)
    except Exception:  # noqa: BLE001  (there are none, or names in them that nothing stands behind yet)
        return None


def _fields(kind: type) -> Iterator[Any]:
    """What libraries keep of a class beside its members: an enum's values, the fields of dataclasses, attrs and pydantic."""
    if issubclass(kind, enum.Enum):
        yield {name: member._value_ for name, member in kind.__members__.items()}
    dataclass = vars(kind).get("__dataclass_fields__")
    if type(dataclass) is dict:
        yield {name: (each.type, each.default, each.default_factory) for name, each in dataclass.items()}
    attributes = vars(kind).get("__attrs_attrs__")
    if isinstance(attributes, tuple):
        yield {each.name: (each.type, each.default, each.converter) for each in attributes}
    model = vars(kind).get("__pydantic_fields__")
    if type(model) is dict:
        yield {
            name: (each.annotation, each.default, each.default_factory, each.alias, each.metadata)
            for name, each in model.items()
        }


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
