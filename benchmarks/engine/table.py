"""The rows of the table: which script, with which variables, and the goal of each figure of ours (an upper bound)."""

from __future__ import annotations

from dataclasses import dataclass, field

QUIET = {"PENSTOCK_LOGGING_LEVEL": "WARNING", "PREFECT_LOGGING_LEVEL": "WARNING"}
SIGTERM_GOALS_MS = {"sync": 50, "in_async": 60, "direct": 50, "submitted": 100}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Args:
        name: of the row; a command line may name its beginning.
        script: file under `rows/`, without its ending.
        goals: upper bounds of our figures, by name.
        env: variables of the process; None removes one.
        ours_only: Prefect has no such thing, or nobody would wait for it.
        runs: how often at most after the warm-up, for rows that take Prefect a quarter of a minute and more.
    """

    name: str
    script: str
    goals: dict[str, float] = field(default_factory=dict)
    env: dict[str, str | None] = field(default_factory=dict)
    ours_only: bool = False
    runs: int = 100


def _counted(script: str, count: int, goals: dict[str, float], name: str | None = None, **env: str | None) -> Row:
    """A row over `count` runs; Prefect takes 3 ms and more for each."""
    return Row(name or f"{script}_{count}", script, goals, {"N": str(count), **env}, runs=3 if count >= 5000 else 100)


def rows() -> list[Row]:
    """All rows, in the order of the table."""
    submit = {"ms_each": 0.060, "threads": 40.0, "peak_mb": 60.0}
    mapped = {"ms_each": 0.060}
    gather = {"ms_each": 0.050}
    found = [
        Row("python_pass", "python_pass"),
        Row("import_lib", "import_lib", {"beyond_ms": 60, "beyond_mb": 10}),
        Row("import_flow_task", "import_flow_task", {"beyond_ms": 60, "beyond_mb": 10}),
        Row("noop_flow_process", "noop_flow_process", {"wall_ms": 150, "peak_mb": 35}),
        Row(
            "noop_flow_process_no_server",
            "noop_flow_process",
            {"wall_ms": 150, "peak_mb": 35},
            {"PREFECT_API_URL": None},
            runs=3,
        ),
        Row("noop_flow_inproc", "noop_flow_inproc", {"first_ms": 5, "second_ms": 0.2}),
        *(
            Row(f"sigterm_{body}", "sigterm", {"sigterm_ms": goal}, {"BODY": body})
            for body, goal in SIGTERM_GOALS_MS.items()
        ),
        _counted("tasks_seq", 1000, {"ms_each": 0.030, "kb_each": 0.1}),
        _counted("tasks_seq", 5000, {"ms_each": 0.030, "kb_each": 0.1}),
        _counted("tasks_seq", 5000, {"ms_each": 0.020}, "tasks_seq_5000_warning", **QUIET),
        _counted("tasks_submit", 1000, submit),
        _counted("tasks_submit", 5000, submit),
        _counted("tasks_submit", 1000, submit, "tasks_submit_w16_1000", W="16"),
        _counted("tasks_submit", 5000, submit, "tasks_submit_w16_5000", W="16"),
        _counted("tasks_map", 1000, mapped),
        _counted("tasks_map", 5000, mapped),
        _counted("tasks_map", 1000, mapped, "tasks_map_w16_1000", W="16"),
        _counted("tasks_async_seq", 1000, {"ms_each": 0.040}),
        _counted("tasks_async_gather", 1000, gather),
        _counted("tasks_async_gather", 5000, gather),
        _counted("tasks_async_submit", 1000, {"ms_each": 0.090}),
        _counted("tasks_async_submit", 5000, {"ms_each": 0.090}),
        _counted("tasks_persist", 1000, {"ms_each": 0.200}),
        _counted("tasks_cache", 1000, {"miss_ms": 0.200, "hit_ms": 0.100}),
        _counted("subflows_seq", 100, {"ms_each": 0.150}),
        _counted("subflows_async_seq", 100, {"ms_each": 0.200}),
        _counted("memory_held", 5000, {"kb_each": 2}),
    ]
    return found + ours()


def ours() -> list[Row]:
    """The rows that Prefect has no equal of."""
    return [
        Row(
            "memory_direct_100000",
            "memory_direct",
            {"ms_each": 0.030, "kb_each": 0.05},
            {"N": "100000", **QUIET},
            ours_only=True,
        ),
        Row(
            "map_window_1000000",
            "window",
            {"ms_each": 0.080, "kb_each": 0.02},
            {"N": "1000000", **QUIET},
            ours_only=True,
            runs=3,
        ),
        Row("nested_submits_33", "nested", {"threads": 40}, ours_only=True),
        Row("observer", "observer", {"us_each": 3}, {"N": "5000", **QUIET}, ours_only=True),
        Row("json_state_line", "json_line", {"us_each": 10}, {"N": "5000"}, ours_only=True),
        Row("list_of_10000", "list_input", {"ms_each": 1}, {"N": "100", **QUIET}, ours_only=True),
    ]
