"""The pure core: what a run's life is. No I/O, no clock, no threads, no event loop."""
