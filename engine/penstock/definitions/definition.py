"""What flows and tasks have in common: options that are checked at decoration, hooks, binding.

Neighbours: `flow` and `task` derive from it; the core reads the attributes named here.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from penstock.base.asyncutils import is_async_fn, is_async_gen_fn, is_gen_fn
from penstock.base.exceptions import ReservedArgumentError
from penstock.base.settings import get_current_settings
from penstock.base.source import code_of
from penstock.core.effects import Ask
from penstock.definitions.binding import Binder, plain_binder, signature_of
from penstock.definitions.changeable import Checked, Function
from penstock.definitions.checks import check_retries, check_timeout, checked_delays
from penstock.definitions.hints import annotations_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from penstock.core.runs import Run


def _text(fn: Any, name: str, default: str | None) -> str | None:
    """A name of the function, if it has one: an object may answer to any name with anything."""
    value = getattr(fn, name, None)
    return value if isinstance(value, str) else default


class Definition:
    """Base of Flow and Task."""

    kind = "task"
    retry_condition_fn: Any = None
    retry_jitter_factor: float | None = None
    result_storage_key: str | None = None
    on_cancellation_hooks: list[Any]
    on_crashed_hooks: list[Any]

    fn: Callable[..., Any] = Function()  # type: ignore[assignment]
    name: str
    timeout_seconds: float | None = Checked(check_timeout)  # type: ignore[assignment]
    _retries: int | None = None
    _delays: Any = None
    _given_delays: Any = None
    _unbound: Any = None  # the definition of the class, when this is bound to an instance
    in_fields = False  # a default is one of pydantic's fields, as in `x: int = Field(3)`; known once calls are bound

    def _set_function(self, fn: Any) -> None:
        """Take the function: what it is, how it is called, whether it is a method."""
        self.isclassmethod = isinstance(fn, classmethod)
        self.isstaticmethod = isinstance(fn, staticmethod)
        inner = fn.__func__ if isinstance(fn, classmethod | staticmethod) else fn
        if not callable(inner):
            raise TypeError(f"'fn' must be callable; {type(fn).__name__} was given.")
        self._take_attributes(inner)
        self.__dict__["fn"] = inner
        self.take_form(inner)
        self.__doc__ = _text(inner, "__doc__", None)
        self.__module__ = _text(inner, "__module__", type(inner).__module__)  # type: ignore[assignment]
        self.__wrapped__ = inner
        self.__name__: str = _text(inner, "__name__", type(inner).__name__)  # type: ignore[assignment]
        self.__qualname__: str = _text(inner, "__qualname__", self.__name__)  # type: ignore[assignment]
        self._owner_kind: str | None = None
        code = code_of(inner)
        place = (code.co_filename, code.co_firstlineno) if code is not None else (id(inner),)
        self.count_key = (self.__module__, self.__qualname__, *place)
        for parameter in self._reserved():
            raise ReservedArgumentError(
                f"{parameter!r} is a reserved argument name and cannot be used in {self.kind} {self.__name__!r}: it is an argument of every call."
            )

    def take_form(self, fn: Any) -> None:
        """Note how the function is called; what was made of another one's signature is forgotten."""
        self.isasync = is_async_fn(fn) or is_async_gen_fn(fn)
        self.isgenerator = is_gen_fn(fn) or is_async_gen_fn(fn)
        self._binder: Binder | None = None

    def _take_attributes(self, fn: Any) -> None:
        """Take what was set on the function, as `functools.wraps` does, but what means something else on a definition."""
        if not inspect.isroutine(fn) and "__wrapped__" not in getattr(fn, "__dict__", ()):
            return  # an object that can be called: what is set on it is its own
        own = type(self)
        self.__dict__.update(
            {name: value for name, value in getattr(fn, "__dict__", {}).items() if not hasattr(own, name)}
        )
        self.__annotations__ = dict(annotations_of(fn))

    def _reserved(self) -> Iterable[str]:
        code = code_of(self.fn)
        if code is None:
            return ()
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return [name for name in ("return_state", "wait_for") if name in names]

    @property
    def tries_after_first(self) -> int:
        """`retries`, or the setting."""
        if self._retries is None:
            return int(self._settings.default_retries)
        return self._retries

    @property
    def delays(self) -> Any:
        """Seconds between tries: own, or the setting."""
        return self._settings.default_retry_delay_seconds if self._delays is None else self._delays

    @property
    def _settings(self) -> Any:
        settings = get_current_settings()
        return settings.flows if self.kind == "flow" else settings.tasks

    @property
    def retries(self) -> int:
        """How many more tries after the first."""
        return self.tries_after_first

    @retries.setter
    def retries(self, value: int | None) -> None:
        if value is not None and not isinstance(value, int):
            raise TypeError(f"'retries' must be a whole number of 0 or more; {value!r} was given.")
        self._retries = check_retries(value)

    @property
    def retry_delay_seconds(self) -> Any:
        """Seconds between tries."""
        return self.delays

    @retry_delay_seconds.setter
    def retry_delay_seconds(self, value: Any) -> None:
        self._set_delays(value)

    def _set_delays(self, value: Any) -> None:
        self._delays = checked_delays(value, self._retries)
        self._given_delays = value

    @property
    def binder(self) -> Binder:
        """Binds calls of the function."""
        if self._binder is None:
            self._binder = self._find_binder()
            self.in_fields = any(type(each).__name__ == "FieldInfo" for each in self._binder.defaults.values())
        return self._binder

    def _find_binder(self) -> Binder:
        plain = plain_binder(self.fn) if self._unbound is None else None
        if plain is not None:
            return plain
        from penstock.definitions.other_binding import MethodBinder, binder_of

        return binder_of(self.fn) if self._unbound is None else MethodBinder(self.fn)

    @property
    def parameter_names(self) -> list[str]:
        """The names of what the function takes."""
        return list(signature_of(self.fn).parameters)

    def out_of_fields(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The bound parameters, with the defaults that fields hold for those that are left out; made anew by a factory.

        Raises:
            ParameterBindError: the field of one that is left out has no default.
        """
        from penstock.definitions.other_binding import out_of_fields

        return out_of_fields(self.binder, parameters)

    def rebind(self, run: Run) -> None:
        """Make the arguments of the call from the run's parameters."""
        run.args, run.kwargs = self.binder.call_form(run.parameters or {})

    @property
    def ismethod(self) -> bool:
        """Whether this was reached through an instance, and is bound to it."""
        return inspect.ismethod(self.fn) and not self.isclassmethod

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Bind to an instance or a class, as functions do; nothing is kept."""
        if self.isstaticmethod:
            return self
        if self.isclassmethod:
            return self._bound_to(owner)
        return self if instance is None else self._bound_to(instance)

    def _bound_to(self, target: Any) -> Any:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied.__dict__["fn"] = self.fn.__get__(target)
        copied._binder = None
        copied._unbound = self
        return copied

    def _raw_function(self) -> Any:
        if self.isclassmethod:
            return classmethod(self.fn)
        return staticmethod(self.fn) if self.isstaticmethod else self.fn

    def _add_hook(self, hooks: list[Any], fn: Any) -> Any:
        hooks.append(fn)
        return fn

    def _hooks_of(self, name: str, given: Any) -> list[Any]:
        """Check an option that holds hooks.

        Raises:
            TypeError: it is no iterable of callables; shows the right form.
        """
        if given is None:
            return []
        if callable(given) and not isinstance(given, list | tuple):
            raise TypeError(
                f"Expected iterable for '{name}'; got {type(given).__name__} instead. Please provide a list of hooks to '{name}':\n\n"
                f"@{self.kind}({name}=[hook1, hook2])\ndef my_{self.kind}():\n\tpass"
            )
        try:
            hooks = list(given)
        except TypeError:
            raise TypeError(
                f"Expected iterable for '{name}'; got {type(given).__name__} instead. Please provide a list of hooks to '{name}':\n\n"
                f"@{self.kind}({name}=[hook1, hook2])\ndef my_{self.kind}():\n\tpass"
            ) from None
        for hook in hooks:
            if not callable(hook):
                raise TypeError(
                    f"Expected callables in '{name}'; got {type(hook).__name__} instead. Please provide a list of hooks to '{name}':\n\n"
                    f"@{self.kind}({name}=[hook1, hook2])\ndef my_{self.kind}():\n\tpass"
                )
        return hooks

    def _run_name(self, option: str, name: Any) -> Any:
        """Check a run-name option.

        Raises:
            TypeError: it is neither a text nor callable.
        """
        if name is not None and not isinstance(name, str) and not callable(name):
            raise TypeError(f"Expected string or callable for '{option}'; got {type(name).__name__} instead.")
        return name

    run_name: Any = None
    _complained: tuple[str, ...] = ()

    def complain_once(self, about: str) -> bool:
        """True for the first complaint of that kind."""
        if about in self._complained:
            return False
        self._complained = (*self._complained, about)
        return True

    def stores(self, run: Run) -> bool:
        """Whether the life of this run has anything to do with stores or transactions."""
        raise NotImplementedError(f"{type(self).__name__}.stores")

    def storage_plan(self, run: Run) -> Any:
        """How this run stores its result."""
        from penstock.storage.plan import plan_of

        return plan_of(run)

    def result_key(self, run: Run, policy: Any) -> Any:
        """The key of a task run's result: by `result_storage_key`, else by the cache policy; may be an awaitable."""
        from penstock.inside.views import TaskRunContext

        if self.result_storage_key is not None:
            from types import SimpleNamespace

            from penstock.inside import deployment_values, flow_run_values, task_run_values

            surroundings = {
                "deployment": deployment_values, "flow_run": flow_run_values, "task_run": task_run_values,
            }  # fmt: skip
            package = SimpleNamespace(runtime=SimpleNamespace(**surroundings))
            return self.result_storage_key.format(
                parameters=run.parameters, penstock=package, prefect=package, **surroundings
            )
        flow_parameters = run.flow.parameters if run.flow is not None else None
        return policy.compute_key(TaskRunContext(run), run.parameters or {}, flow_parameters or {})

    def make_transaction(self, run: Run, plan: Any) -> Any:
        """The transaction of a task run, a child of the active one."""
        from penstock.storage.plan import make_transaction

        return make_transaction(run, plan)

    def name_call(self, run: Run) -> Ask:
        """The call that makes the name of a run."""
        if not isinstance(self.run_name, str) and not callable(self.run_name):  # it was changed after decoration
            return Ask(self._run_name, (f"{self.kind}_run_name", self.run_name))
        if callable(self.run_name):
            try:
                wants = "parameters" in inspect.signature(self.run_name).parameters
            except ValueError:
                wants = False
            return Ask(self.run_name, (), {"parameters": run.parameters} if wants and not run.is_flow else {})
        return Ask(self.run_name.format, (), dict(run.parameters or {}))

    def checked_name(self, name: Any) -> str:
        """The name, if it is one.

        Raises:
            TypeError: a callable returned something else; names it.
        """
        if not isinstance(name, str):
            fn = self.run_name
            raise TypeError(
                f"Callable {fn} for '{self.kind}_run_name' returned type {type(name).__name__} but a string is required."
            )
        return name


def doc_of(fn: Any) -> str | None:
    """The docstring of a function, as its description."""
    return inspect.getdoc(fn) if getattr(fn, "__doc__", None) else None


def runner_of(given: Any) -> Any:
    """The task runner of a flow.

    Raises:
        TypeError: it is none.
    """
    from penstock.runners.task_runners import TaskRunner, ThreadPoolTaskRunner

    if given is None:
        return ThreadPoolTaskRunner()
    if isinstance(given, type) and issubclass(given, TaskRunner):
        return given()
    if isinstance(given, TaskRunner):
        return given
    raise TypeError(f"'task_runner' must be a TaskRunner or its class; {type(given).__name__} was given.")
