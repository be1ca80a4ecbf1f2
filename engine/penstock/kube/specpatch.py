"""JSON patches of a FlowRun's spec, for whoever steers runs: the functions of Python and the command.

A merge patch would lose what is null in an answer, and would keep what an earlier one, that was refused, had besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def spec_patch(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The JSON patch that sets fields of a spec.

    Args:
        known: The spec as it is.
        wanted: The fields to set; of `inputs`, the answers, those keys alone.
    """
    fields = {name: value for name, value in wanted.items() if name != "inputs" or not known.get(name)}
    inputs = {} if "inputs" in fields else wanted.get("inputs", {})
    values = {
        **{f"/spec/{name}": value for name, value in fields.items()},
        **{f"/spec/inputs/{key.replace('~', '~0').replace('/', '~1')}": value for key, value in inputs.items()},
    }
    return [{"op": "add", "path": path, "value": value} for path, value in values.items()]
