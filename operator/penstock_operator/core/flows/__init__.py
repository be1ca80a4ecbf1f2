"""Policies about a Flow itself: what is due of it, and what is said of it. Pure, as all of the core.

`decide` is the only door: `FlowObserved -> FlowDecision`, a policy a file. Neighbours: the policies about a run are in the modules beside
this package; `runtime.flows` observes, and carries out.
"""
