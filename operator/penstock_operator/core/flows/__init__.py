"""Policies about a Flow itself: what is due of it, and what is said of it. Pure, as all of the core.

`status` says whether runs can be made of a Flow. Neighbours: the policies about a run are in the modules beside this package.
"""
