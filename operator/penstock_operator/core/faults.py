"""The two ways in which a policy says that it can't decide: a fact has to be read first, or what the user wrote can't be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Look


class Need(Exception):  # noqa: N818 - no error: the decision is made again when the facts are there
    """These facts must be read live before anything is decided."""

    def __init__(self, *looks: Look) -> None:
        super().__init__(", ".join(looks))
        self.looks = frozenset(looks)


class Unusable(Exception):  # noqa: N818 - the flow is, its message says why
    """A flow can't be run as it is written; the message says which field, and why.

    Attributes:
        of_run: the fault stands in the run itself, which never changes; a Flow may be put right.
    """

    of_run = False


class Superseded(Exception):  # noqa: N818 - likewise
    """A run was started for a revision that is not kept any more; the message says which."""


class SourceMissing(Unusable):
    """The ConfigMap that a flow takes its source from is not there (yet).

    Attributes:
        name: of the ConfigMap.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"source.configMap {name!r} does not exist")
        self.name = name
