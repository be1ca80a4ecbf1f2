"""A flow in an image of its own, with a package of its own."""

import cowsay

from penstock import flow


@flow
def greet(name: str = "cluster") -> str:
    return str(cowsay.get_output_string("cow", f"Hello, {name}!"))
