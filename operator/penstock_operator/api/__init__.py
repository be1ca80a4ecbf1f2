"""The two resources, Flow and FlowRun: the only home of field names, constants and the CRDs made from them.

Nothing here does I/O or decides anything. Neighbours: `penstock_operator.core` reads these models, the chart and `crds/` are
generated from them, and nothing else in the project spells a field, label or annotation of the resources on its own.
"""
