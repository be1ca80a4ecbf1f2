"""Results and transactions: what is stored, where, in which form, under which key, and what is undone together.

What a store or a transaction does is written once, as generators of `Call` effects; `steps` performs them outside runs,
the drivers within a run's life. Comes in: values, keys, options of definitions. Calls: `logging`, `interruption`, `core`,
`base`.
"""
