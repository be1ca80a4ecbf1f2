"""The current flow run: `id`, `name`, `parameters`, `attempt` ... as module attributes; see `__all__`."""

from __future__ import annotations

from penstock.inside.flow_run_values import FIELDS as FIELDS
from penstock.inside.flow_run_values import __all__ as __all__
from penstock.inside.flow_run_values import __dir__ as __dir__
from penstock.inside.flow_run_values import __getattr__ as __getattr__
