"""The two drivers: they perform the effects that the pure core asks for, in sync or in async code."""
