"""Flow runs of the cluster, from Python: start, follow, stop and read other runs; each run is a pod or several.

The cluster is the only server: everything here is a request for a FlowRun. What a function does is written once, as steps that
yield what is waited for (`steps`); sync and async code perform the same ones. Neighbours: `kube` asks the API server; the face
is `penstock.flow_runs`.
"""
