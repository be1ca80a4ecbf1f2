"""Loggers whose records carry a run. Neighbours: `loggers` offers them to users; `prints` and transactions log by them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from penstock.logging.setup import members_of, run_loggers

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Self

    from penstock.core.runs import Run

    Adapter = logging.LoggerAdapter[logging.Logger]
else:
    Adapter = logging.LoggerAdapter


class PrefectLogAdapter(Adapter):
    """Adds members to each record; those of a call win over its own."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Merge the members."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs

    def getChild(self, suffix: str, extra: dict[str, Any] | None = None) -> Self:  # noqa: N802
        """An adapter of a child logger with the same members, and more."""
        return type(self)(self.logger.getChild(suffix), {**(self.extra or {}), **(extra or {})})


PenstockLogAdapter = PrefectLogAdapter


def logger_of_run(run: Run) -> PrefectLogAdapter:
    """The logger whose records carry the run."""
    flow_logger, task_logger = run_loggers()
    return PrefectLogAdapter(flow_logger if run.is_flow else task_logger, members_of(run))
