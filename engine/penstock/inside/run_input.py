"""What a pause asks for: models, their values, and messages between the threads of a process.

Neighbours: `flow_runs` pauses and resumes with these; `_messages` carries; in a pod values come from the resource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import pydantic

from penstock.base.both_forms import takes_sync
from penstock.inside.messages import Boxes, Message, Receiver

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "Keyset",
    "RunInput",
    "RunInputMetadata",
    "keyset_from_base_key",
    "keyset_from_paused_state",
    "receive_input",
    "run_input_subclass_from_type",
    "send_input",
]

Keyset = dict[str, str]


def keyset_from_base_key(base_key: str) -> Keyset:
    """Names under which description, response and schema of an input are kept."""
    return {
        "description": f"{base_key}-description",
        "response": f"{base_key}-response",
        "schema": f"{base_key}-schema",
    }


def keyset_from_paused_state(state: Any) -> Keyset:
    """The key set of a paused state.

    Raises:
        RuntimeError: the state is not paused.
    """
    if not state.is_paused():
        raise RuntimeError(f"{state.type.value!r} is unsupported.")
    base = f"{state.name.lower()}-{state.state_details.pause_key or state.id}"
    return keyset_from_base_key(base)


class RunInputMetadata(pydantic.BaseModel):
    """Where a value came from."""

    key: str
    sender: str | None = None
    receiver: Any = None


class RunInput(pydantic.BaseModel):
    """Base class of models that a pause can ask for."""

    model_config = pydantic.ConfigDict(extra="forbid")

    _description: ClassVar[str | None] = None
    _metadata: Any = pydantic.PrivateAttr(default=None)

    @property
    def metadata(self) -> Any:
        """Where the value came from."""
        return self._metadata

    @classmethod
    def keyset_from_type(cls) -> Keyset:
        """The key set named after the class."""
        return keyset_from_base_key(cls.__name__.lower())

    @classmethod
    def with_initial_data(cls, description: str | None = None, **kwargs: Any) -> type[Self]:
        """A class like this one with defaults, and a description for whoever answers.

        Args:
            description: shown with the question.
            kwargs: defaults by field name.

        Raises:
            ValueError: a name is no field.
        """
        fields: dict[str, Any] = {}
        for name, value in kwargs.items():
            if name not in cls.model_fields:
                raise ValueError(f"{cls.__name__} has no field {name!r}; it has {', '.join(cls.model_fields)}.")
            fields[name] = (cls.model_fields[name].annotation, value)
        new = pydantic.create_model(cls.__name__, __base__=cls, **fields)
        new._description = description
        return new

    @takes_sync
    def send_to(self, flow_run_id: Any, sender: str | None = None, key_prefix: str | None = None) -> Any:
        """Send this to a flow run of this process; see `send_input`."""
        return _send(self, flow_run_id, sender, key_prefix)

    @classmethod
    def receive(
        cls,
        timeout: float | None = 3600,
        poll_interval: float = 10,
        raise_timeout_error: bool = False,
        exclude_keys: Any = None,
        key_prefix: str | None = None,
        flow_run_id: Any = None,
        with_metadata: bool = False,
    ) -> Receiver:
        """Iterate over the values of this class that are sent to a flow run; see `receive_input`."""
        return receive_input(
            cls, timeout, poll_interval, raise_timeout_error, exclude_keys, key_prefix, flow_run_id, with_metadata
        )

    @takes_sync
    def respond(self, run_input: Any, sender: str | None = None, key_prefix: str | None = None) -> Any:
        """Send a value back to the flow run that sent this one.

        Raises:
            RuntimeError: this was not received, or its sender is no flow run.
        """
        origin = self._metadata.sender if self._metadata is not None else None
        if not origin or not origin.startswith(_SENDER):
            raise RuntimeError("Cannot respond to an input that was not sent by a flow run.")
        return _send(run_input, origin.removeprefix(_SENDER), sender, key_prefix)


def run_input_subclass_from_type(kind: Any) -> type[RunInput]:
    """A subclass of RunInput: of a model one with its fields, of another type one that wraps it in a field `value`."""
    model = model_of(kind)
    if issubclass(model, RunInput):
        return model
    bases: Any = (RunInput, model)
    return cast("type[RunInput]", pydantic.create_model(f"{model.__name__}RunInput", __base__=bases))


def model_of(kind: Any) -> type[pydantic.BaseModel]:
    """The model for what a pause asks for: models as they are, other types wrapped in a field `value`."""
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return kind
    model = pydantic.create_model(
        f"{getattr(kind, '__name__', 'Value')}Input", __base__=AutomaticRunInput, value=(kind, ...)
    )
    model.__penstock_wrapped__ = True  # type: ignore[attr-defined]
    return model


def validated(model: type[pydantic.BaseModel], given: Any) -> Any:
    """The value that the caller of a pause gets.

    Raises:
        RuntimeError: the input is invalid; lists path and reason.
    """
    wrapped = getattr(model, "__penstock_wrapped__", False)
    if isinstance(given, pydantic.BaseModel):
        given = given.model_dump()
    if wrapped and not (isinstance(given, dict) and set(given) == {"value"}):
        given = {"value": given}
    try:
        value = model.model_validate(given if given is not None else {})
    except pydantic.ValidationError as exc:
        reasons = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors())
        raise RuntimeError(f"The input is invalid: {reasons}") from None
    return value.value if wrapped else value  # type: ignore[attr-defined]


def _key_of(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    return kind.__name__.lower()


class AutomaticRunInput(RunInput):
    """A plain value that was received with its metadata."""

    value: Any


def _send(run_input: Any, flow_run_id: Any, sender: str | None, key_prefix: str | None) -> Any:
    from uuid import uuid4

    from penstock.base.asyncutils import in_async_run
    from penstock.base.current import current_run

    run = current_run.get()
    if sender is None and run is not None and run.flow is not None:
        sender = f"{_SENDER}{run.flow.id}"
    prefix = key_prefix or _key_of(run_input)
    Boxes.of(flow_run_id, prefix).put(Message(f"{prefix}-{uuid4()}", run_input, sender))
    return _sent() if in_async_run() else None


async def _sent() -> None:
    """What async code awaits of a message that is on its way already."""


_SENDER = "penstock.flow-run."


@takes_sync
def send_input(run_input: Any, flow_run_id: Any, sender: str | None = None, key_prefix: str | None = None) -> Any:
    """Send a value to a flow run of this process, which gets it by `receive_input`; awaitable in async code.

    Args:
        run_input: a model, or any value.
        flow_run_id: whom to.
        sender: told to the receiver; default: the current flow run.
        key_prefix: the key, when it is not the type's name.
    """
    return _send(run_input, flow_run_id, sender, key_prefix)


async def asend_input(
    run_input: Any, flow_run_id: Any, sender: str | None = None, key_prefix: str | None = None
) -> None:
    """`send_input` as a coroutine, in whatever code."""
    _send(run_input, flow_run_id, sender, key_prefix)


def receive_input(
    input_type: Any,
    timeout: float | None = 3600,
    poll_interval: float = 10,
    raise_timeout_error: bool = False,
    exclude_keys: Any = None,
    key_prefix: str | None = None,
    flow_run_id: Any = None,
    with_metadata: bool = False,
) -> Receiver:
    """Iterate, by `for` or `async for`, over the values of a type that are sent to a flow run.

    Args:
        input_type: a type or a model.
        timeout: seconds to wait for the next; None: no limit.
        poll_interval: upper bound of the pauses in async code; a value arrives at once.
        raise_timeout_error: raise at the end of the wait instead of ending the iteration.
        exclude_keys: keys of messages that are not wanted.
        key_prefix: the key, when it is not the type's name.
        flow_run_id: default: the current flow run.
        with_metadata: give plain values as an object with `value` and `metadata`.

    Raises:
        TimeoutError: nothing came in time, and `raise_timeout_error`.
        RuntimeError: there is no flow run to receive for.
    """
    if flow_run_id is None:
        from penstock.base.current import current_run

        run = current_run.get()
        if run is None or run.flow is None:
            raise RuntimeError("Must either provide a flow run ID or be within a flow run to receive input.")
        flow_run_id = run.flow.id
    model = model_of(input_type)

    def give(message: Message) -> Any:
        value = validated(model, message.value)
        if with_metadata and not isinstance(value, RunInput):
            value = AutomaticRunInput(value=value)
        if isinstance(value, RunInput):
            value._metadata = RunInputMetadata(key=message.key, sender=message.sender, receiver=flow_run_id)
        return value

    box = Boxes.of(flow_run_id, key_prefix or _key_of(input_type))
    return Receiver(box, give, timeout, poll_interval, raise_timeout_error, exclude_keys)
