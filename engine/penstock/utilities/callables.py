"""Calling functions by parameter name, and describing their parameters."""

from __future__ import annotations

from penstock.definitions.callables import (
    ParameterSchema,
    call_with_parameters,
    get_call_parameters,
    get_parameter_defaults,
    parameter_docstrings,
    parameter_schema,
    parameters_to_args_kwargs,
    raise_for_reserved_arguments,
)

__all__ = [
    "ParameterSchema",
    "call_with_parameters",
    "get_call_parameters",
    "get_parameter_defaults",
    "parameter_docstrings",
    "parameter_schema",
    "parameters_to_args_kwargs",
    "raise_for_reserved_arguments",
]
