"""The page: runs as a table and each run in full, rendered on the server from what a watch tells.

A read model that all pages share (`model`, fed by `feed`), one module a page below `pages`, templates and a stylesheet beside them. The
page changes nothing: every action is shown as the command to copy. What it says of a run is worded in `penstock_reading`.
"""
