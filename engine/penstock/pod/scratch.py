"""Where the pod's process writes what is its own: the beat, inline source, payloads for other processes.

The operator mounts a volume for it that no other pod has. ``/tmp`` is not that place: it may be a volume that many pods share, or not to be
written at all. Whatever is made here is made exclusively, so that nothing that is found under a name is ever written to, or taken for one's
own. Neighbours: ``penstock.pod.main`` asks first, everybody else takes the folder from it.
"""

from __future__ import annotations

import contextlib
import os

VARIABLE = "PENSTOCK_RUN_DIR"


def folder(run_dir: str) -> str | None:
    """Give the folder, made if need be; it is also told to children, by its variable.

    Args:
        run_dir: Where it is to be. Where that cannot be written, a fresh one among the temporary files takes its place.

    Returns:
        Its path; None when nothing can be written anywhere.
    """
    found = _writable(run_dir)
    if found is None:
        import tempfile

        with contextlib.suppress(OSError):
            found = tempfile.mkdtemp(prefix="penstock-")
    if found is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = found
    return found


def fresh_folder(parent: str, name: str) -> str:
    """Make a folder that was not there before, for this process alone; under that name, if it is free.

    Raises:
        OSError: None can be made.
    """
    path = os.path.join(parent, name)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        import tempfile

        return tempfile.mkdtemp(prefix=f"{name}-", dir=parent)
    return path


def fresh_file(path: str, mode: int) -> int:
    """Open a new file for writing, whatever was there before; give its descriptor. What was there is not touched.

    Raises:
        OSError: It cannot be made.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def _writable(path: str) -> str | None:
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError:
        return None
    return path if os.access(path, os.W_OK | os.X_OK) else None
