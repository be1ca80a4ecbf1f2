"""Which image can't be had: the container's own, or that of a volume of type image, which only the message names.

A kubelet tells both in the state of the container. The runtime writes names out in full (`docker.io/library/python:latest`), so that they
are compared in that form.
"""

from __future__ import annotations

import re

from .observe import Container, Pod

# `Back-off pulling image "X"`, `failed to pull and unpack image "X"`, `Container image "X" is not present`, `couldn't parse image name "X"`.
_NAMED = re.compile(r'\bimage (?:name )?"([^"\s]+)"')


def missing_image(pod: Pod, container: Container, said: str) -> str:
    """Return the words for the image that a container waits for.

    Args:
        pod: whose volumes may be images.
        container: that waits.
        said: the kubelet's message.
    """
    named = _NAMED.search(said)
    if named is None:
        return f"image {container.image}"
    found = _full(named[1])
    volume = next((name for name, image in pod.image_volumes if _full(image) == found != _full(container.image)), None)
    return f"image {container.image}" if volume is None else f"image {named[1]} (volume {volume})"


def _full(image: str) -> str:
    """Return an image's name with what a runtime adds to a short one: registry, library, tag."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif "." not in first and ":" not in first and first != "localhost":
        image = f"docker.io/{image}"
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"
