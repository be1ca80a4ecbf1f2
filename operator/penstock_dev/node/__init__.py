"""A node for development: pods of an API server run as local processes.

It is an API client like any other: it binds pods to itself, runs their containers and writes their status as a kubelet does, against
the embedded control plane as well as against a real one. What a container would isolate (files, users, memory) it does not: images
are ignored, and mount paths become folders of this machine. `Node` (in `node.py`) is the public class.
"""
