"""What is told of a run, as values: its state and what to do, its task runs, a timeline, the lines of its log.

Pure: objects, texts and documents in, values and texts out. The command and the page show the same, in the same words: `penstock_cli` and
`penstock_ui` fetch and show; neither words a thing of its own that the other says too.
"""
