"""What code inside a run can ask and do: which run this is, with which values; go on elsewhere; pause; talk to it.

Comes in: calls of user code, by way of the faces; nothing here is needed to perform a run. Calls: `drivers` and what is
below.
"""
