from penstock import flow


@flow
def report(day: str) -> str:
    return f"the report of {day}"
