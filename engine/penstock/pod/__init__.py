"""The entrypoint of a run's pod; this file stays empty, so that the signal handlers come first."""
