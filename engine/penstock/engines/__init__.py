"""Runs by hand: from given states (`run_engine`), step by step (`engines`), as a whole by functions.

Comes in: definitions, given states and records. Calls: `runners`, `inside`, `drivers` and what is below; decisions are
the core's, here as in a plain call.
"""
