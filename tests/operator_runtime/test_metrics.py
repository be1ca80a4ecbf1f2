"""Metrics whose labels come from outside stay bounded."""

from __future__ import annotations

from penstock_operator.runtime.metrics import NAMES_KEPT, Metrics


def test_names_that_flows_bring_do_not_grow_the_metric_without_end() -> None:
    metrics = Metrics()
    metrics.transition("Running", "Running")
    for number in range(10 * NAMES_KEPT):
        metrics.transition("Completed", f"Batch{number}")
    metrics.transition("Running", "Running")
    samples = {
        tuple(sample.labels.values()): sample.value
        for family in metrics.transitions.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert len(samples) <= NAMES_KEPT + 1
    assert samples["Running", "Running"] == 2
    assert sum(samples.values()) == 10 * NAMES_KEPT + 2
    assert samples["Completed", "Other"] == 10 * NAMES_KEPT + 1 - NAMES_KEPT
