"""Context managers out of generators, as `contextlib` makes them, through which every exception of the user's passes as it is.

That of `contextlib` sets `__traceback__` on what passes, as an attribute; an exception that takes no attributes, such as a
frozen dataclass, comes out as another one. Neighbour: `tracebacks` sets it as Python itself does.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncContextDecorator, ContextDecorator
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from penstock.base.tracebacks import set_traceback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


class _Made:
    """What both forms have in common: the generator of one use, and how to make it again for a decorated function."""

    def __init__(self, make: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._again = make, args, kwargs
        self._body = make(*args, **kwargs)
        self.__doc__ = make.__doc__

    def _recreate_cm(self) -> Self:
        return type(self)(*self._again)


def _passes(value: BaseException, exc: BaseException, traceback: TracebackType | None) -> bool:
    """Whether what the generator has raised is what was thrown in; it then goes on with its own traceback."""
    # A generator can't raise StopIteration: Python makes a RuntimeError of it.
    if exc is value or (isinstance(value, StopIteration | StopAsyncIteration) and exc.__cause__ is value):
        set_traceback(value, traceback)
        return True
    return False


class Manager(_Made, AbstractContextManager[T], ContextDecorator):
    """A context manager, and a decorator that runs each call in a new one."""

    def __enter__(self) -> T:
        """Run the generator to its `yield`."""
        try:
            return next(self._body)  # type: ignore[no-any-return]
        except StopIteration:
            raise RuntimeError("generator didn't yield") from None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Run it to its end; what was raised in the block is raised at its `yield`."""
        try:
            if value is None:
                next(self._body)
            else:
                self._body.throw(value)
        except StopIteration as exc:
            return exc is not value
        except BaseException as exc:
            if value is not None and _passes(value, exc, traceback):
                return False
            raise
        self._body.close()
        raise RuntimeError("generator didn't stop")


class AsyncManager(_Made, AbstractAsyncContextManager[T], AsyncContextDecorator):
    """The same for `async with`."""

    async def __aenter__(self) -> T:
        """Run the generator to its `yield`."""
        try:
            return await anext(self._body)
        except StopAsyncIteration:
            raise RuntimeError("generator didn't yield") from None

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Run it to its end; what was raised in the block is raised at its `yield`."""
        try:
            if value is None:
                await anext(self._body)
            else:
                await self._body.athrow(value)
        except StopAsyncIteration as exc:
            return exc is not value
        except BaseException as exc:
            if value is not None and _passes(value, exc, traceback):
                return False
            raise
        await self._body.aclose()
        raise RuntimeError("generator didn't stop")


def contextmanager(make: Callable[P, Iterator[T]]) -> Callable[P, Manager[T]]:
    """`contextlib.contextmanager`, for blocks of the user's.

    Args:
        make: a generator function that yields once.
    """

    @wraps(make)
    def manager(*args: P.args, **kwargs: P.kwargs) -> Manager[T]:
        return Manager(make, args, kwargs)

    return manager


def asynccontextmanager(make: Callable[P, AsyncIterator[T]]) -> Callable[P, AsyncManager[T]]:
    """`contextlib.asynccontextmanager`, for blocks of the user's.

    Args:
        make: an async generator function that yields once.
    """

    @wraps(make)
    def manager(*args: P.args, **kwargs: P.kwargs) -> AsyncManager[T]:
        return AsyncManager(make, args, kwargs)

    return manager
