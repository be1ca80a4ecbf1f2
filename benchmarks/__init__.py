"""Figures, one command: `make bench` runs all of them, `python -m benchmarks NAME ...` some. JSON goes to `benchmarks/results/`."""
