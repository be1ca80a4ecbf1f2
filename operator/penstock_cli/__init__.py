"""The `penstock` command: `penstock dev`, and kubectl's everyday words for those without kubectl."""
