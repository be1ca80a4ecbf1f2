"""A flow that uses every function of `penstock.flow_runs` and every one of Prefect 1's tasks, in sync and in async code.

The same text is a flow in a pod and a flow in this process; what it returns is the same everywhere. It starts runs of the Flow `child`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.flows import source

_TEXT = """
    from datetime import timedelta

    from penstock import flow
    from penstock import flow_runs as fr
    from penstock.deployments import run_deployment
    from penstock.exceptions import FlowRunWaitTimeout, MissingResult
    from penstock.tasks import flow_runs as old


    def error_of(call, *arguments, **options):
        try:
            return repr(call(*arguments, **options))
        except Exception as error:
            return type(error).__name__


    @flow
    async def main():
        said = {}
        ask = {"n": 2}
        child = await fr.create_flow_run("child", ask, idempotency_key="KIND")
        again = await fr.create_flow_run("child", ask, idempotency_key="KIND")
        said["the same key"] = again.id == child.id
        state = await fr.run_flow_run("child", {"n": 3, "seconds": 0}, timeout=90)
        said["run"] = [state.name, await state.aresult()]
        view = await run_deployment("child", parameters={"n": 4, "seconds": 0}, flow_run_name="Four", tags=["a"], timeout=90)
        said["deployment"] = [view.state.name, view.display_name, await fr.get_result(view)]
        view = await run_deployment("child", parameters=ask, timeout=0)
        said["at once"] = view.finished
        await fr.cancel_flow_run(view)
        said["renamed"] = (await fr.rename_flow_run(child, "Two")).display_name
        said["read"] = [(await fr.read_flow_run(one)).display_name for one in (child, child.id, child.name)]
        listed = await fr.list_flow_runs("child", since=timedelta(hours=1))
        said["listed"] = child.name in [one.name for one in listed]
        said["paused"] = (await fr.pause_flow_run(flow_run_id=child)).desired_state
        said["suspended"] = (await fr.suspend_flow_run(flow_run_id=child.id)).desired_state
        said["resumed"] = (await fr.resume_flow_run(child.name)).desired_state
        try:
            await fr.wait_for_flow_run(child, timeout=0.1)
        except FlowRunWaitTimeout as error:
            said["no end"] = type(error).__name__
        said["cancelled"] = (await fr.cancel_flow_run(child)).desired_state
        said["ended"] = (await fr.wait_for_flow_run(child, timeout=90, stream_states=True, stream_logs=True)).state.name
        try:
            await fr.get_task_result(child, "none")
        except MissingResult as error:
            said["task result"] = type(error).__name__

        start = old.StartFlowRun("child", parameters={"n": 5, "seconds": 0}, wait=True)
        state = start(return_state=True)
        said["start"] = [state.name, await state.aresult()]
        name = old.StartFlowRun(flow_name="child")(parameters=ask)
        said["by name"] = (await fr.read_flow_run(name)).parameters
        said["cancel"] = old.CancelFlowRun()(name)
        made = old.create_flow_run(flow_name="child", parameters={"n": 6, "seconds": 0})
        view = old.wait_for_flow_run(made, stream_logs=True)
        said["waited"] = [view.state.name, str(view.id) == made, view.parameters, (view.display_name or "").endswith("-child")]
        said["old task result"] = [error_of(old.get_task_run_result.fn, made, "none-1"), error_of(view.get_task_result, "none-1")]
        said["rename"] = [old.RenameFlowRun(flow_run_name="Six")(made), old.RenameFlowRun()(flow_run_name="Me")]
        said["nobody"] = [error_of(old.create_flow_run.fn), error_of(old.StartFlowRun("none").run)]
        return said
"""
SAID: dict[str, Any] = {
    "the same key": True, "run": ["Completed", 3], "deployment": ["Completed", "Four", 4], "at once": False, "renamed": "Two",
    "read": ["Two", "Two", "Two"], "listed": True, "paused": "Paused", "suspended": "Suspended", "resumed": "Running",
    "no end": "FlowRunWaitTimeout", "cancelled": "Cancelled", "ended": "Cancelled", "task result": "MissingResult",
    "start": ["Completed", 5], "by name": {"n": 2}, "cancel": True, "waited": ["Completed", True, {"n": 6, "seconds": 0}, True],
    "old task result": ["MissingResult", "MissingResult"], "rename": [True, True], "nobody": ["ValueError", "ValueError"],
}  # fmt: skip
KINDS = ["sync", "async"]


def every(kind: str, key: str) -> str:
    """The flow's text for that kind of code; runs that share a key share a child."""
    text = _TEXT.replace("KIND", key)
    if kind == "sync":
        text = text.replace("await state.aresult()", "state.result()").replace("async def", "def").replace("await ", "")
    return text


def here(kind: str, key: str) -> Any:
    """Run the flow in this process; what it returned."""
    names: dict[str, Any] = {"__name__": "every"}
    exec(compile(source(every(kind, key)), "every.py", "exec"), names)
    main = names["main"]
    return asyncio.run(main()) if kind == "async" else main()
