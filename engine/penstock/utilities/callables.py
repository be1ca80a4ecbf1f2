"""Calling functions by parameter name, and describing their parameters."""

from __future__ import annotations

from penstock.definitions.callables import (
    ParameterSchema,
    call_with_parameters,
    get_call_parameters,
    get_parameter_defaults,
    parameter_schema,
    parameters_to_args_kwargs,
    raise_for_reserved_arguments,
)
from penstock.definitions.docstrings import parameter_docstrings
from penstock.definitions.entrypoints import parameter_schema_from_entrypoint

__all__ = [
    "ParameterSchema",
    "call_with_parameters",
    "get_call_parameters",
    "get_parameter_defaults",
    "parameter_docstrings",
    "parameter_schema",
    "parameter_schema_from_entrypoint",
    "parameters_to_args_kwargs",
    "raise_for_reserved_arguments",
]
