"""Penstock's controller: FlowRuns in, pods and true statuses out. Rooms: `api` <- `core` <- `runtime` <- `__main__`."""
