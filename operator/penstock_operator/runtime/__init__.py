"""Around the core: kopf as the source of events, the store, the work queue, the effects, the lease, probes, metrics."""
