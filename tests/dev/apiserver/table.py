"""All rows, in order."""

from __future__ import annotations

from tests.dev.apiserver.apply_rows import APPLYING
from tests.dev.apiserver.cel_rows import CEL_ROWS
from tests.dev.apiserver.creation_rows import CREATION
from tests.dev.apiserver.data_rows import DATA
from tests.dev.apiserver.deletion_rows import DELETION
from tests.dev.apiserver.event_rows import EVENTS
from tests.dev.apiserver.flow_rows import FLOW_ROWS
from tests.dev.apiserver.other_rows import OTHER
from tests.dev.apiserver.pod_change_rows import POD_CHANGES
from tests.dev.apiserver.pod_rows import PODS
from tests.dev.apiserver.ratchet_rows import RATCHET
from tests.dev.apiserver.reading_rows import READING
from tests.dev.apiserver.rows import DEFINITIONS, NS, Row
from tests.dev.apiserver.update_rows import UPDATES

TABLE_ROWS: list[Row] = [
    Row("namespace", 201, "POST", "/api/v1/namespaces", {"metadata": {"name": "table"}}),
    Row("default account", 200, "GET", f"{NS}/serviceaccounts/default", until=True),
    *DEFINITIONS,
    *CREATION,
    *UPDATES,
    *READING,
    *APPLYING,
    *DELETION,
    *DATA,
    *EVENTS,
    *PODS,
    *POD_CHANGES,
    *FLOW_ROWS,
    *CEL_ROWS,
    *RATCHET,
    *OTHER,
]
