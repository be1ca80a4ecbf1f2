"""The pure core: states, the records of runs, and what a run's life is. No I/O, no clock, no threads, no event loop.

Comes in: records and outcomes of effects. What blocks, or runs user code, is asked for as an effect and performed above;
clock, chance, observers and log lines are the `World` that is passed in. Calls: `base` only.
"""
