"""What a pause asks for: models, their values, and messages between the threads of a process.

Neighbours: `flow_runs` pauses and resumes with these; in a pod values come from the resource.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

if TYPE_CHECKING:
    from collections.abc import Iterator
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

    _description: str | None = pydantic.PrivateAttr(default=None)
    _metadata: Any = pydantic.PrivateAttr(default=None)
    penstock_description: ClassVar[str | None] = None

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
        new.penstock_description = description
        return new

    @classmethod
    def send_to(cls, flow_run_id: Any, run_input: Any) -> None:
        """Send a value to a flow run of this process."""
        send_input(run_input, flow_run_id)


def run_input_subclass_from_type(kind: Any) -> type[pydantic.BaseModel]:
    """The model for what a pause asks for: models as they are, other types wrapped in a field `value`."""
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return kind
    model = pydantic.create_model(f"{getattr(kind, '__name__', 'Value')}Input", __base__=RunInput, value=(kind, ...))
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


class _Mailboxes:
    """Messages to the flow runs of this process, by run and key."""

    def __init__(self) -> None:
        self.boxes: dict[tuple[str, str], queue.SimpleQueue[Any]] = {}

    def box(self, flow_run_id: Any, key: str) -> queue.SimpleQueue[Any]:
        """The box of a run and a key."""
        return self.boxes.setdefault((str(flow_run_id), key), queue.SimpleQueue())


_mailboxes = _Mailboxes()


def _key_of(value: Any) -> str:
    if isinstance(value, type):
        return value.__name__.lower()
    return type(value).__name__.lower()


def send_input(run_input: Any, flow_run_id: Any, sender: str | None = None, key_prefix: str | None = None) -> None:
    """Send a value to a flow run of this process, which gets it by `receive_input`."""
    _mailboxes.box(flow_run_id, key_prefix or _key_of(run_input)).put(run_input)


def receive_input(
    input_type: Any,
    timeout: float | None = 3600,
    poll_interval: float = 10,
    raise_timeout_error: bool = False,
    exclude_keys: Any = None,
    key_prefix: str | None = None,
    flow_run_id: Any = None,
    with_metadata: bool = False,
) -> Iterator[Any]:
    """Iterate over the values of a type that are sent to a flow run.

    Args:
        input_type: a type or a model.
        timeout: seconds to wait for the next; None: no limit.
        poll_interval: accepted; a value arrives at once.
        raise_timeout_error: raise at the end of the wait instead of ending the iteration.
        exclude_keys: accepted.
        key_prefix: the key, when it is not the type's name.
        flow_run_id: default: the current flow run.
        with_metadata: accepted; values carry none.

    Raises:
        TimeoutError: nothing came in time, and `raise_timeout_error`.
        RuntimeError: there is no flow run to receive for.
    """
    if flow_run_id is None:
        from penstock._current import current_run

        run = current_run.get()
        if run is None or run.flow is None:
            raise RuntimeError("receive_input needs a flow run: call it inside one, or give flow_run_id.")
        flow_run_id = run.flow.id
    box = _mailboxes.box(flow_run_id, key_prefix or _key_of(input_type))
    while True:
        try:
            value = box.get(timeout=timeout)
        except queue.Empty:
            if raise_timeout_error:
                raise TimeoutError(f"No input of type {_key_of(input_type)} came within {timeout} seconds.") from None
            return
        yield validated(run_input_subclass_from_type(input_type), value)
