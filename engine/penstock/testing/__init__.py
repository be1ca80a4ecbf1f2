"""Help for tests of flows."""
