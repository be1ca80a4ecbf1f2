"""Penstock for development: the embedded control plane, and a node that runs pods as local processes."""
