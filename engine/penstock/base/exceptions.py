"""Every exception of the engine, under the names that Prefect gives them; ours is `InvalidTransition`.

Signals derive from BaseException, so that `except Exception` in user code does not swallow them.
Neighbours: none; everything may import this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.texts import name_of, repr_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self


class PrefectException(Exception):  # noqa: N818  (the name is Prefect's)
    """Base class of the engine's errors."""


PenstockException = PrefectException


class CrashedRun(PrefectException):
    """Raised by the result of a crashed run."""


class FailedRun(PrefectException):
    """Raised by the result of a failed run that holds no exception."""


class CancelledRun(PrefectException):
    """Raised by the result of a cancelled run."""


class PausedRun(PrefectException):
    """Raised by the result of a paused run."""

    def __init__(self, *args: Any, state: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state = state


class UnfinishedRun(PrefectException):
    """Raised by the result of a run that has not finished, or never became ready."""


class MissingResult(PrefectException):
    """A result was asked of a state that has none."""


class MissingFlowError(PrefectException):
    """No flow was found where one was expected."""


class UnspecifiedFlowError(PrefectException):
    """Several flows were found and none was named."""


class ScriptError(PrefectException):
    """A script raised while it was loaded."""

    def __init__(self, user_exc: BaseException | None = None, path: str = "", message: str | None = None) -> None:
        super().__init__(message or f"Script at {str(path)!r} encountered an exception: {repr_of(user_exc)}")
        self.user_exc = user_exc


class MissingContextError(PrefectException, RuntimeError):
    """A run context was asked for where no run is active."""


class UpstreamTaskError(PrefectException):
    """An upstream did not complete; used inside the engine."""


class ParameterBindError(TypeError, PrefectException):
    """Arguments do not fit the signature."""

    @classmethod
    def from_bind_failure(
        cls, fn: Callable[..., Any], exc: TypeError, call_args: Iterable[Any], call_kwargs: dict[str, Any]
    ) -> Self:
        """From what `inspect` said, with the function, its signature, and what was received."""
        import inspect

        name = name_of(fn)
        signature = str(inspect.signature(fn).replace(return_annotation=inspect.Signature.empty))[1:-1]
        return cls(
            f"Error binding parameters for function '{name}': {text_of(exc)}.\n"
            f"Function '{name}' has signature '{signature}' "
            f"but received args: {tuple(call_args)} and kwargs: {list(call_kwargs)}."
        )


class ParameterTypeError(PrefectException):
    """Parameters failed validation against the annotations."""

    @classmethod
    def from_validation_error(cls, exc: Any) -> Self:
        """One line for each bad value: path and reason."""
        lines = [f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in exc.errors()]
        return cls("Flow run received invalid parameters:\n - " + "\n - ".join(lines))


class SignatureMismatchError(PrefectException, TypeError):
    """Parameters do not match what a function expects."""

    @classmethod
    def from_bad_params(cls, expected_params: list[str], provided_params: list[str]) -> Self:
        """From both lists of names."""
        return cls(f"Function expects parameters {expected_params} but was provided with parameters {provided_params}")


class _OfObject(PrefectException):
    """An object is there, or is not, against what was expected."""

    def __init__(self, http_exc: Exception | str | None = None, help_message: str | None = None) -> None:
        self.http_exc = http_exc
        self.help_message = help_message
        super().__init__(help_message or str(http_exc or "not found"))


class ObjectNotFound(_OfObject):
    """Nothing has that id."""


class ObjectAlreadyExists(_OfObject):
    """Something has that id already."""


class ReservedArgumentError(PrefectException, TypeError):
    """A function uses a parameter name that the engine needs."""


class InvalidNameError(PrefectException, ValueError):
    """A name holds characters that are not allowed."""


class PrefectSignal(BaseException):
    """Base class of signals: they pass `except Exception`."""

    _interrupts = True


PenstockSignal = PrefectSignal


class Abort(PrefectSignal):
    """The run must not go on; used inside the engine."""


class Pause(PrefectSignal):
    """The run gives up its process; raised through a body that is suspended or waits for long."""

    def __init__(self, *args: Any, state: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state = state


class ExternalSignal(BaseException):
    """Base class of what comes from outside the process."""

    _interrupts = True


class TerminationSignal(ExternalSignal):
    """The process, or this run, was asked to stop.

    Attributes:
        signal: number of the signal; 15 when the request came another way.
    """

    def __init__(self, signal: int = 15) -> None:
        super().__init__(signal)
        self.signal = signal


class MappingLengthMismatch(PrefectException):
    """The iterables of a map differ in length."""


class MappingMissingIterable(PrefectException):
    """A map was called without anything to map over."""


class FlowPauseTimeout(PrefectException):
    """A pause was not resumed in time."""


class FlowRunWaitTimeout(PrefectException):
    """A flow run did not end within the time given."""


class NotPausedError(PrefectException):
    """A run that is not paused cannot be resumed."""


class ConfigurationError(PrefectException):
    """Options that cannot work together."""


class SerializationError(PrefectException):
    """An object could not be serialised or read back."""


class NotJsonError(SerializationError, ValueError):
    """A value would arrive as something else than it is.

    Attributes:
        path: Where it is, as `parameters.rows[3].id`.
        reason: What is wrong with it, and what to do.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class TooLargeError(NotJsonError):
    """Values are larger than an object in a cluster can be."""


class HashError(PrefectException):
    """An object could not be hashed."""


class InfrastructureError(PrefectException):
    """The environment of a run failed."""


class ClusterError(InfrastructureError):
    """The cluster cannot be asked, or refuses.

    Attributes:
        code: HTTP status; 0: no answer.
        reason: The server's word.
    """

    def __init__(self, message: str, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class NotAllowedError(ClusterError, PermissionError):
    """A right is missing; the text names the rule, whose it must be, and what grants it."""


class BadRequestError(ClusterError, ValueError):
    """The API server finds something wrong with what was asked."""


class InvalidTransition(PrefectException):
    """A state change that no rule allows; the state stays as it was."""


class PrefectImportError(ImportError):
    """Something that does not exist here on purpose; the text says what to use instead."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


def exception_traceback(exc: BaseException) -> str:
    """The exception with its traceback, as Python prints it."""
    import traceback

    return "".join(traceback.TracebackException.from_exception(exc).format())


class FlowRunTimeoutError(TimeoutError):
    """A flow run ran into its own timeout."""

    _owner: Any = None  # the run; None: somebody else raises it


class TaskRunTimeoutError(TimeoutError):
    """A task run ran into its own timeout."""

    _owner: Any = None  # the run; None: somebody else raises it
