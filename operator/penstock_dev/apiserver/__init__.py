"""The embedded control plane: a Kubernetes API server in this process, for development. See `server.ApiServer`."""
