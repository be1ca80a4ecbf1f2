"""The engine's figures: scenarios that run unchanged on Prefect and on Penstock, and the runner that compares them."""
