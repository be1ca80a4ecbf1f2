"""Flows: `@flow`, `Flow`.

A flow is a definition; calling it makes a run. Neighbours: `drivers.calls` performs calls, `loading` finds flows in files,
`engines.run_engine` runs them from given states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from penstock.base.absent_methods import refuse_absent_methods
from penstock.base.current import current_run
from penstock.base.exceptions import FlowRunTimeoutError, InvalidNameError, SignatureMismatchError
from penstock.definitions.checks import check_retries
from penstock.definitions.definition import Definition, doc_of, runner_of
from penstock.definitions.shown_options import options_of, options_of_flow_copies, options_of_resources, takes_options
from penstock.drivers import calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    from penstock.core.runs import FlowRun, Run
    from penstock.core.state import State
    from penstock.definitions.to_flow import FlowDefinition

    class FlowStateHook(Protocol):
        """A hook: `hook(flow, flow_run, state)`, sync or async."""

        def __call__(self, flow: Flow[..., Any], flow_run: FlowRun, state: State, /) -> Any:
            """React to the state."""

else:
    FlowStateHook = object

P = ParamSpec("P")
R = TypeVar("R")

BANNED_CHARACTERS = ["/", "%", "&", ">", "<"]


class Flow(Definition, Generic[P, R]):
    """A function that is run as a flow; arguments as for `flow`.

    Raises:
        TypeError: the function cannot be called, or an option has the wrong type.
        ValueError: an option is out of range.
        InvalidNameError: the name holds one of `/ % & < >`.
        ReservedArgumentError: a parameter is called `return_state` or `wait_for`.
    """

    kind = "flow"

    def __init__(
        self,
        fn: Callable[P, R],
        name: str | None = None,
        version: str | None = None,
        flow_run_name: Callable[[], str] | str | None = None,
        retries: int | None = None,
        retry_delay_seconds: int | float | list[float] | None = None,
        task_runner: Any = None,
        description: str | None = None,
        timeout_seconds: int | float | None = None,
        validate_parameters: bool = True,
        persist_result: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        cache_result_in_memory: bool = True,
        log_prints: bool | None = None,
        on_completion: Iterable[FlowStateHook] | None = None,
        on_failure: Iterable[FlowStateHook] | None = None,
        on_cancellation: Iterable[FlowStateHook] | None = None,
        on_crashed: Iterable[FlowStateHook] | None = None,
        on_running: Iterable[FlowStateHook] | None = None,
    ) -> None:
        if isinstance(fn, Flow):
            raise TypeError(f"{fn.name!r} is a flow already; use `with_options` to change it.")
        self._set_function(fn)
        self.on_completion_hooks = self._hooks_of("on_completion", on_completion)
        self.on_failure_hooks = self._hooks_of("on_failure", on_failure)
        self.on_cancellation_hooks = self._hooks_of("on_cancellation", on_cancellation)
        self.on_crashed_hooks = self._hooks_of("on_crashed", on_crashed)
        self.on_running_hooks = self._hooks_of("on_running", on_running)
        if not name:
            name = "unknown-lambda" if self.__name__ == "<lambda>" else self.__name__.replace("_", "-")
        _check_text(name)
        if any(char in name for char in BANNED_CHARACTERS):
            raise InvalidNameError(
                f"Name {name!r} contains an invalid character. Must not contain any of: {BANNED_CHARACTERS}."
            )
        self.name = name
        self.flow_run_name = self._run_name("flow_run_name", flow_run_name)
        self._version = version
        self.description = description if description is not None else doc_of(self.fn)
        self._retries = check_retries(retries)
        self._set_delays(retry_delay_seconds)
        self.timeout_seconds = timeout_seconds
        self.task_runner = runner_of(task_runner)
        self.should_validate_parameters = validate_parameters
        if persist_result is None and (result_storage is not None or result_serializer is not None):
            persist_result = True
        self.persist_result = persist_result
        self.result_storage = result_storage
        self.result_serializer = result_serializer
        self.cache_result_in_memory = cache_result_in_memory
        self.log_prints = log_prints

    def take_form(self, fn: Any) -> None:
        """Note how the function is called; what was made of another one's signature is forgotten."""
        super().take_form(fn)
        self._schema: Any = None
        self._validator: Any = None
        for made in ("_validate", "_validate_bound"):
            self.__dict__.pop(made, None)

    @property
    def flow_run_name(self) -> Any:
        """Template or callable that names the runs; None: random names."""
        return self.run_name

    @flow_run_name.setter
    def flow_run_name(self, value: Any) -> None:
        self.run_name = value or None

    def stores(self, run: Run) -> bool:
        """Whether the result of this run is stored."""
        from penstock.storage.persisting import flow_persists

        return flow_persists(run)

    def result_key(self, run: Run, policy: Any) -> str:
        """The key of a subflow run's result: lineage and address, so that a retry finds it; and the parameters it is of."""
        from penstock.storage.policies import subflow_key

        return subflow_key(run)

    @property
    def version(self) -> str | None:
        """Given, or a hash of the defining file, computed when first read."""
        if self._version is None:
            import inspect

            from penstock.base.source import wrapped_by
            from penstock.storage.hashing import file_hash

            try:
                self._version = file_hash(inspect.getsourcefile(wrapped_by(self.fn)) or "")[:32]
            except (TypeError, OSError):
                return None
        return self._version

    @version.setter
    def version(self, value: str | None) -> None:
        self._version = value

    @property
    def parameters(self) -> Any:
        """JSON schema of the parameters; made when first read."""
        if self._schema is None:
            from penstock.definitions.callables import parameter_schema

            self._schema = parameter_schema(self.fn)
        return self._schema

    def valid_as_is(self, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """Parameters that need no validator, which may be code of the user's; None: they need it."""
        from penstock.definitions.validation import needs_validation

        if self._validator is None:
            self._validator = needs_validation(self.fn, self.binder.signature)
        if self._validator is False:
            return parameters
        if self._validator.needed(parameters):
            return None
        owned: dict[str, Any] = self._validator.owned(parameters)
        return owned

    def validated(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters as the validator makes them."""
        from penstock.definitions.validation import validator_of

        return validator_of(self, parameters)(parameters)

    def validate_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Validate values by the annotations.

        Args:
            parameters: values by name.

        Returns:
            The values, coerced.

        Raises:
            ParameterTypeError: lists path and reason of each bad value.
            SignatureMismatchError: a name is not in the signature.
        """
        from penstock.definitions.validation import validator_of

        binder = self.binder
        if not binder.keywords.issuperset(parameters):
            raise SignatureMismatchError.from_bad_params(list(binder.names), list(parameters))
        bound = {**binder.absent_values(), **parameters}
        return validator_of(self, binder.names)(bound)

    def serialize_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The values in JSON form; what cannot be encoded becomes `"<TypeName>"`."""
        from penstock.base.json_form import json_form

        return {name: json_form(value) for name, value in parameters.items()}

    def timeout_error(self, run: Run) -> BaseException:
        """The error of this flow's own timeout."""
        return FlowRunTimeoutError(f"Flow run exceeded timeout of {self.timeout_seconds} second(s)")

    @overload
    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    def __call__(self, /, *args: Any, return_state: bool = ..., wait_for: Any = ..., **kwargs: Any) -> Any: ...

    def __call__(self, /, *args: Any, return_state: Any = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Run the flow.

        Args:
            args: for the function.
            return_state: give the final state instead of the value; never raises but for crashes.
            wait_for: upstreams that must be completed first.
            kwargs: for the function.

        Returns:
            The value; a coroutine of it for an async flow that is called from async code.

        Raises:
            ParameterBindError: the arguments do not fit the signature.
            Exception: what the body raised, the same object.
        """
        if calls.LOADING.active:
            calls.refuse_while_loading(self)
        parameters = self.binder.bind(args, kwargs)
        parent = current_run.get()
        if self.isgenerator:
            return calls.generate_flow(self, parameters, parent, return_state, wait_for)
        if self.isasync:
            return calls.call_flow_async(self, parameters, parent, return_state, wait_for)
        return calls.call_flow(self, parameters, parent, return_state, wait_for)

    def run_engine(
        self,
        *,
        parameters: Mapping[str, Any] | None = None,
        state: State | None = None,
        task_states: Mapping[Any, Any] | None = None,
        return_tasks: Any = None,
        state_handlers: Iterable[Callable[..., Any]] = (),
        task_state_handlers: Iterable[Callable[..., Any]] = (),
        task_runner: Any = None,
        context: Mapping[str, Any] | None = None,
        task_contexts: Mapping[Any, Mapping[str, Any]] | None = None,
        wait_for: Any = None,
        flow_run: FlowRun | None = None,
        retry_wait_limit: Any = 60.0,
    ) -> Any:
        """Start a run of this flow from given states; never raises for failures of the user's code.

        Args:
            parameters: values by name, bound and validated as in a call.
            state: first state of the run; default: Pending.
            task_states: states or plain values by address: what a call with that address starts from.
            return_tasks: addresses, tasks, flows, or `"*"`: whose final states to keep.
            state_handlers: chain of `handler(engine, old, new)` for the flow run.
            task_state_handlers: the same for each task run in it.
            task_runner: instead of the flow's; one that is entered already is used as it is.
            context: mapping for `penstock.runtime.flow_run.context`.
            task_contexts: mappings by address, laid over `context` in that task run.
            wait_for: upstreams that must be completed first.
            flow_run: a record with id, name, lineage, attempt, run_count, control.
            retry_wait_limit: seconds; a longer wait ends the run as SCHEDULED. None: wait always; a callable decides.

        Returns:
            The final state, with `task_states`, `flow_run` and `unused`; a coroutine of it for an async flow.

        Raises:
            ParameterBindError: the parameters do not fit.
            ValueError: an address cannot be parsed, a handler is async in a sync flow, or the flow is a generator.
        """
        from penstock.engines.run_engine import run_flow_engine

        return run_flow_engine(
            self, parameters=parameters, state=state, task_states=task_states, return_tasks=return_tasks,
            state_handlers=tuple(state_handlers), task_state_handlers=tuple(task_state_handlers),
            task_runner=task_runner, context=context, task_contexts=task_contexts, wait_for=wait_for,
            flow_run=flow_run, retry_wait_limit=retry_wait_limit,
        )  # fmt: skip

    @takes_options(lambda: options_of_flow_copies(Flow.__init__))
    def with_options(self, **options: Any) -> Flow[P, R]:
        """A copy with some options changed, named as in `flow`.

        None keeps the old value; for `persist_result`, `result_storage`, `result_serializer` and `log_prints` it
        resets, and `NotSet` keeps.

        Raises:
            TypeError: an option is unknown.
        """
        from penstock.definitions.changing import changed_flow

        copied: Flow[P, R] = changed_flow(self, options)
        return copied

    @takes_options(options_of_resources)
    def to_flow(self, name: str | None = None, **options: Any) -> FlowDefinition:
        """Say in code what this flow's `Flow` resource is to say; `penstock build` writes it. Nothing is sent or started.

        Options are the resource's fields (docs/fields.md); those with fields of their own are dicts, as in YAML.

        Args:
            name: of the resource; default: the flow's, made a name that Kubernetes takes.
            options: `schedules` (`Cron`, `Interval` of `penstock.schedules`), `parameters`, `concurrency` (a number, or
                `{"limit": 1, "policy": "Skip"}`), `concurrency_groups`, `suspend`, `run_on_change`, `history_limits`,
                `image`, `env`, `resources`, `results`, `run_policy`, `template`, `description`, `labels`, `annotations`.

        Raises:
            TypeError: an option is unknown; what Prefect calls otherwise is named.
        """
        from penstock.definitions.to_flow import define

        return define(self, name, **options)

    def on_completion(self, fn: FlowStateHook) -> FlowStateHook:
        """Add a hook for COMPLETED; returns the function."""
        return self._add_hook(self.on_completion_hooks, fn)  # type: ignore[no-any-return]

    def on_failure(self, fn: FlowStateHook) -> FlowStateHook:
        """Add a hook for the final FAILED; returns the function."""
        return self._add_hook(self.on_failure_hooks, fn)  # type: ignore[no-any-return]

    def on_cancellation(self, fn: FlowStateHook) -> FlowStateHook:
        """Add a hook for CANCELLING; returns the function."""
        return self._add_hook(self.on_cancellation_hooks, fn)  # type: ignore[no-any-return]

    def on_crashed(self, fn: FlowStateHook) -> FlowStateHook:
        """Add a hook for CRASHED; returns the function."""
        return self._add_hook(self.on_crashed_hooks, fn)  # type: ignore[no-any-return]

    def on_running(self, fn: FlowStateHook) -> FlowStateHook:
        """Add a hook for each entry into RUNNING; returns the function."""
        return self._add_hook(self.on_running_hooks, fn)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<Flow {self.name!r}>"

    if TYPE_CHECKING:  # absent methods: any of them may be asked for, and says what to use instead

        def __getattr__(self, name: str) -> Any: ...


def _check_text(name: Any) -> None:
    if isinstance(name, str):
        return
    hint = " Perhaps you meant to call it? e.g. '@flow(name=get_flow_run_name())'" if callable(name) else ""
    raise TypeError(f"Expected string for flow parameter 'name'; got {type(name).__name__} instead.{hint}")


refuse_absent_methods(Flow, "Flow")


class FlowDecorator:
    """`flow`: makes flows of functions, bare or called with options; see `Flow` for what is raised.

    Options: `name`, `version`, `flow_run_name` (template or callable), `retries`, `retry_delay_seconds`,
    `task_runner`, `description`, `timeout_seconds`, `validate_parameters`, `persist_result`, `result_storage`,
    `result_serializer`, `cache_result_in_memory`, `log_prints`, and the hooks `on_completion`, `on_failure`,
    `on_cancellation`, `on_crashed`, `on_running`.
    """

    @overload
    def __call__(self, __fn: Callable[P, R], /, **options: Any) -> Flow[P, R]: ...

    @overload
    def __call__(self, __fn: None = None, /, **options: Any) -> Callable[[Callable[P, R]], Flow[P, R]]: ...

    @takes_options(lambda: options_of(Flow.__init__))
    def __call__(self, __fn: Any = None, /, **options: Any) -> Any:
        """Make a flow, or what makes one."""
        if __fn is None:
            return lambda function: Flow(function, **options)
        return Flow(__fn, **options)


refuse_absent_methods(FlowDecorator, "Flow", ("from_source", "afrom_source"))
flow = FlowDecorator()
