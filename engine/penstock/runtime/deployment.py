"""There are no deployments here: every value is None, or empty."""

from __future__ import annotations

from penstock.inside.deployment_values import FIELDS as FIELDS
from penstock.inside.deployment_values import __all__ as __all__
from penstock.inside.deployment_values import __dir__ as __dir__
from penstock.inside.deployment_values import __getattr__ as __getattr__
