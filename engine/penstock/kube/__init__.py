"""A small client for the Kubernetes API: credentials, one request at a time, how long to wait before the next.

Neighbours: ``penstock.pod`` uses it to claim and to report. It knows nothing of flows, and decides nothing.
"""
