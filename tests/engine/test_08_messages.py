"""Messages between flow runs of a process: sent, received in sync and async code, answered."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from penstock import flow, pause_flow_run, resume_flow_run, runtime
from penstock.exceptions import NotPausedError
from penstock.input import RunInput, keyset_from_paused_state, receive_input, send_input
from penstock.inside.messages import Boxes
from penstock.inside.run_input import AutomaticRunInput, run_input_subclass_from_type
from penstock.observers import subscribe


class Person(RunInput):
    name: str
    age: int = 3


def test_values_arrive_by_type_and_in_order() -> None:
    @flow
    def f() -> list[Any]:
        me = runtime.flow_run.id
        for value in ("hello", 5, Person(name="p"), "two", [1, 2]):
            send_input(value, flow_run_id=me)
        found: list[Any] = []
        for kind in (str, int, Person, list):
            found += receive_input(kind, timeout=0)
        return [value.name if isinstance(value, Person) else value for value in found]

    assert f() == ["hello", "two", 5, "p", [1, 2]]


def test_each_receiver_sees_all_messages_once() -> None:
    @flow
    def f() -> Any:
        me = runtime.flow_run.id
        send_input("a", flow_run_id=me)
        first = receive_input(str, timeout=0)
        assert list(first) == ["a"]
        send_input("b", flow_run_id=me)
        assert list(first) == ["b"]
        again = receive_input(str, timeout=0)
        assert list(again) == ["a", "b"]
        return list(receive_input(str, timeout=0, exclude_keys=again.exclude_keys))

    assert f() == []


def test_metadata_and_prefixes() -> None:
    @flow
    def f() -> Any:
        me = runtime.flow_run.id
        send_input("x", flow_run_id=me, sender="me", key_prefix="mail")
        send_input(Person(name="p"), flow_run_id=me)
        (mail,) = receive_input(str, timeout=0, key_prefix="mail", with_metadata=True)
        person = next(Person.receive(timeout=0))
        assert mail.metadata.key.startswith("mail-")
        return mail.value, mail.metadata.sender, person.metadata.sender == f"penstock.flow-run.{me}"

    assert f() == ("x", "me", True)


def test_answers_go_to_who_asked() -> None:
    @flow
    def f() -> Any:
        Person(name="q").send_to(runtime.flow_run.id)
        for person in Person.receive(timeout=0):
            person.respond(f"thanks, {person.name}")
        return next(receive_input(str, timeout=0))

    assert f() == "thanks, q"
    with pytest.raises(RuntimeError, match="not sent by a flow run"):
        Person(name="nobody").respond("x")


def test_a_receiver_waits_for_what_comes() -> None:
    waiting = threading.Event()

    @flow
    def f() -> Any:
        me = runtime.flow_run.id

        def later() -> None:
            waiting.wait(10)
            send_input(7, flow_run_id=me)

        thread = threading.Thread(target=later)
        thread.start()
        waiting.set()
        found = next(receive_input(int, timeout=10))
        thread.join()
        return found

    assert f() == 7


def test_nothing_comes() -> None:
    @flow
    def f() -> None:
        assert list(receive_input(float, timeout=0.01)) == []
        next(receive_input(float, timeout=0.01, raise_timeout_error=True))

    with pytest.raises(TimeoutError, match="Timed out waiting for input"):
        f()
    with pytest.raises(RuntimeError, match="within a flow run"):
        receive_input(str)


def test_async_code_receives_by_async_for() -> None:
    @flow
    async def f() -> list[Any]:
        me = runtime.flow_run.id

        async def later() -> None:
            await asyncio.sleep(0)
            await send_input("late", flow_run_id=me)
            await Person(name="p").send_to(me)

        sending = asyncio.create_task(later())
        found = [await anext(receive_input(str, timeout=10))]
        found += [person.name async for person in Person.receive(timeout=0.05)]
        await sending
        with pytest.raises(TimeoutError):
            await anext(receive_input(int, timeout=0.01, raise_timeout_error=True))
        return found

    assert asyncio.run(f()) == ["late", "p"]


def test_the_next_value_alone() -> None:
    @flow
    def plain() -> Any:
        send_input("a", flow_run_id=runtime.flow_run.id)
        receiver = receive_input(str, timeout=0)
        first = receiver.next()
        with pytest.raises(TimeoutError, match="nothing came within 0 seconds"):
            receiver.next()
        return first

    @flow
    async def awaited() -> Any:
        receiver = receive_input(int, timeout=5)
        await send_input(1, flow_run_id=runtime.flow_run.id)
        found = [await receiver.next()]
        await send_input(2, flow_run_id=runtime.flow_run.id)
        found.append(await receiver.anext())
        receiver.timeout = 0
        with pytest.raises(TimeoutError):
            await receiver.next()
        return found

    assert plain() == "a"
    assert asyncio.run(awaited()) == [1, 2]
    assert issubclass(run_input_subclass_from_type(str), AutomaticRunInput)


def test_boxes_go_with_the_run() -> None:
    ids: list[str] = []

    @flow
    def f() -> None:
        ids.append(runtime.flow_run.id)
        send_input("x", flow_run_id=ids[0])
        assert ids[0] in Boxes._all

    f()
    gc.collect()
    assert ids[0] not in Boxes._all


def test_descriptions_and_defaults_of_questions() -> None:
    asked = Person.with_initial_data(description="Who?", name="bob")
    made: Any = asked.model_validate({})
    assert (asked._description, made.name, asked.__name__, issubclass(asked, Person)) == (
        "Who?",
        "bob",
        "Person",
        True,
    )
    assert Person._description is None


def test_a_pause_is_told_and_names_its_input(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    keysets: list[Any] = []

    def told(run: Any, old: Any, new: Any) -> None:
        if new.is_paused():
            keysets.append((new.state_details.run_input_keyset, keyset_from_paused_state(new)))
            thread.start()

    def answer() -> None:
        while True:
            try:
                resume_flow_run(ids[0], run_input={"name": "x"})
            except NotPausedError:
                continue
            return

    ids: list[str] = []
    thread = threading.Thread(target=answer)

    @flow
    def f() -> Any:
        ids.append(runtime.flow_run.id)
        return pause_flow_run(wait_for_input=Person, timeout=10)

    end = subscribe(told, "flow")
    assert f().name == "x"
    end()
    thread.join()
    assert keysets[0][0] == keysets[0][1] == {
        "description": "paused-1-description", "response": "paused-1-response", "schema": "paused-1-schema",
    }  # fmt: skip
    said = [record.getMessage() for record in caplog.records]
    assert "Pausing flow, execution will continue when this flow run is resumed." in said
    assert "Resuming flow run execution!" in said
