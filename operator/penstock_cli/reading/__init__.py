"""What the log of a run and its end report say, as values: lines for people, task runs, a timeline.

Pure: texts and documents in, values and texts out. Neighbours: `logs` and `tasks` beside this package fetch and print.
"""
