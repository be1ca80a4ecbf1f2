"""Where Prefect keeps its client; here only the records of runs and states live below."""
