"""The current run, value by value: `runtime.flow_run.name`, `runtime.task_run.address` ...

Outside a run: None, [], {} or 0. Environment variables `PENSTOCK__RUNTIME__FLOW_RUN__NAME` override, for tests.
"""

from penstock.runtime import deployment, flow_run, task_run

__all__ = ["deployment", "flow_run", "task_run"]
